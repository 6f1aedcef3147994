//! What every process of Octet needs: environment, logs, deadlines, upstreams, admin server, drain.
