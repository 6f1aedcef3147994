//! A node's programs, settings and environment.

use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::installation::Installation;
use super::{PASSWORD, USER};
use crate::Authority;
use crate::authority::{CA, CERTIFICATE, KEY};
use crate::lifeline::{Lifeline, Process};
use crate::ports;

/// One node's name, ports and files.
pub(super) struct Node {
    name: String,
    /// AMQP.
    port: u16,
    /// AMQP over TLS.
    tls_port: Option<u16>,
    /// Between nodes, and for `rabbitmqctl`.
    distribution_port: u16,
    cluster: Cluster,
    directory: PathBuf,
    log: PathBuf,
    installation: Installation,
}

/// What the nodes of a cluster have in common.
#[derive(Clone)]
pub(super) struct Cluster {
    port_mapper_port: u16,
    cookie: String,
}

impl Cluster {
    fn new() -> Self {
        Self { port_mapper_port: ports::free_port(), cookie: format!("{:032x}", fastrand::u128(..)) }
    }
}

impl Node {
    /// Chooses name and ports, and fills the lifeline's directory. Without a cluster, the node is the first of its own.
    pub(super) fn new(
        lifeline: &Lifeline,
        certificate: Option<&Certificate>,
        cluster: Option<&Cluster>,
    ) -> Self {
        let cluster = cluster.cloned().unwrap_or_else(Cluster::new);
        let directory = lifeline.directory().to_owned();
        let installation = Installation::find();
        lay_out(&directory, &installation, &cluster.cookie).expect("the broker's directory can be written");
        if let Some(certificate) = certificate {
            certificate.write(&directory).expect("the broker's certificate can be written");
        }
        Self {
            name: format!("octet-{:08x}@127.0.0.1", fastrand::u32(..)),
            port: ports::free_port(),
            tls_port: certificate.map(|_| ports::free_port()),
            distribution_port: ports::free_port(),
            cluster,
            log: directory.join("broker.log"),
            directory,
            installation,
        }
    }

    pub(super) fn cluster(&self) -> Cluster {
        self.cluster.clone()
    }

    /// Its name among the nodes of a cluster.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn tls_port(&self) -> Option<u16> {
        self.tls_port
    }

    pub(super) fn ports(&self) -> Vec<u16> {
        let ports = [self.port, self.distribution_port, self.cluster.port_mapper_port];
        ports.into_iter().chain(self.tls_port).collect()
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Erlang's port mapper, in the foreground: as a daemon, it would outlive the node.
    pub(super) fn spawn_port_mapper(&self, lifeline: &Lifeline) -> Process {
        let mut command = self.installation.command("epmd");
        command.args(["-address", "127.0.0.1", "-port", &self.cluster.port_mapper_port.to_string()]);
        lifeline.spawn(&mut command, &self.log).expect("epmd, which comes with Erlang, is on PATH")
    }

    /// Starts the VM. It replaces the shell of the start script, so that the process is the VM.
    pub(super) fn spawn(&self, lifeline: &Lifeline, address: IpAddr) -> Process {
        let settings = self.settings(address);
        fs::write(self.file("advanced.config"), settings).expect("the broker's settings can be written");

        let mut command = self.installation.command(self.file("home/sbin/rabbitmq-server"));
        command.env_clear().envs(self.environment()).env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", {
            let Self { name, distribution_port: port, .. } = self;
            // With the name on the command line, RabbitMQ does not start a second VM for the port mapper. One thread for
            // files and two for blocking calls are enough for a test.
            format!(
                "-name {name} -start_epmd false +SDio 2 +A 1 -kernel inet_dist_listen_min {port} \
                 inet_dist_listen_max {port} inet_dist_use_interface {{127,0,0,1}}"
            )
        });
        lifeline.spawn(&mut command, &self.log).expect("rabbitmq-server can be started")
    }

    /// Whether the file that maps quorum queues to their logs contains the queue.
    pub(super) fn has_saved(&self, queue: &str) -> bool {
        let names = self.file("data").join(&self.name).join("quorum").join(&self.name).join("names.dets");
        // As an atom after its length: otherwise `q` would be found in `q.dlq`.
        let atom = format!("%2F_{queue}");
        let mut saved = vec![u8::try_from(atom.len()).unwrap_or(u8::MAX)];
        saved.extend(atom.as_bytes());
        fs::read(names).is_ok_and(|bytes| bytes.windows(saved.len()).any(|window| window == saved))
    }

    pub(super) async fn ctl(&self, directory: &Path, arguments: &[&str]) -> String {
        let output =
            tokio::process::Command::from(self.installation.command(self.file("home/sbin/rabbitmqctl")))
                .args(["-q", "--longnames", "-n", &self.name])
                .args(arguments)
                .current_dir(directory)
                .env_clear()
                .envs(self.environment())
                .kill_on_drop(true)
                .output()
                .await
                .expect("rabbitmqctl can be started");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            panic!("rabbitmqctl {} failed: {text}{errors}", arguments.join(" "));
        }
        text
    }

    /// In Erlang terms, which RabbitMQ reads faster than rabbitmq.conf.
    fn settings(&self, address: IpAddr) -> String {
        let port = self.port;
        let tls = self.tls_port.map(|port| self.tls_settings(address, port)).unwrap_or_default();
        format!(
            r#"[{{rabbit, [
    {{tcp_listeners, [{{"{address}", {port}}}]}},{tls}
    {{default_user, <<"{USER}">>}},
    {{default_pass, <<"{PASSWORD}">>}},
    {{default_user_tags, [administrator]}},
    {{default_permissions, [<<".*">>, <<".*">>, <<".*">>]}}
]}}].
"#
        )
    }

    fn tls_settings(&self, address: IpAddr, port: u16) -> String {
        let [ca, certificate, key] = [CA, CERTIFICATE, KEY].map(|name| self.file(name));
        format!(
            r#"
    {{ssl_listeners, [{{"{address}", {port}}}]}},
    {{ssl_options, [
        {{cacertfile, "{}"}},
        {{certfile, "{}"}},
        {{keyfile, "{}"}},
        {{versions, ['tlsv1.3', 'tlsv1.2']}},
        {{verify, verify_none}}
    ]}},"#,
            ca.display(),
            certificate.display(),
            key.display()
        )
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        vec![
            ("PATH", path),
            ("LC_ALL", "C.UTF-8".into()),
            // The directory of the cookie that the VM and rabbitmqctl share.
            ("HOME", self.directory.clone().into()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
            ("ERL_EPMD_PORT", self.cluster.port_mapper_port.to_string().into()),
            ("ERL_CRASH_DUMP_BYTES", "0".into()),
            ("RABBITMQ_NODENAME", self.name.clone().into()),
            ("RABBITMQ_USE_LONGNAME", "true".into()),
            ("RABBITMQ_DIST_PORT", self.distribution_port.to_string().into()),
            ("RABBITMQ_CTL_DIST_PORT_MIN", ports::RANGE.start.to_string().into()),
            ("RABBITMQ_CTL_DIST_PORT_MAX", ports::RANGE.end.to_string().into()),
            ("RABBITMQ_SCRIPTS_DIR", self.file("home/sbin").into()),
            // Files that do not exist, instead of the machine's own.
            ("RABBITMQ_CONF_ENV_FILE", self.file("none").into()),
            ("RABBITMQ_CONFIG_FILE", self.file("none").into()),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", self.file("advanced.config").into()),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", self.file("enabled_plugins").into()),
            ("RABBITMQ_MNESIA_BASE", self.file("data").into()),
            ("RABBITMQ_LOG_BASE", self.file("log").into()),
            ("RABBITMQ_LOGS", "-".into()),
            // The start script then replaces itself by the VM.
            ("RUNNING_UNDER_SYSTEMD", "true".into()),
        ]
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// The content of an authority's files: the broker may outlive the authority.
#[derive(Clone)]
pub(super) struct Certificate {
    files: [(&'static str, Vec<u8>); 3],
}

impl Certificate {
    pub(super) fn read(authority: &Authority) -> Self {
        let files = [(CA, authority.ca()), (CERTIFICATE, authority.certificate()), (KEY, authority.key())];
        let read = |path: &Path| fs::read(path).expect("the authority's files can be read");
        Self { files: files.map(|(name, path)| (name, read(&path))) }
    }

    fn write(&self, directory: &Path) -> std::io::Result<()> {
        self.files.iter().try_for_each(|(name, bytes)| fs::write(directory.join(name), bytes))
    }
}

fn lay_out(directory: &Path, installation: &Installation, cookie: &str) -> std::io::Result<()> {
    for name in ["data", "log"] {
        fs::create_dir_all(directory.join(name))?;
    }
    installation.lay_out(&directory.join("home"))?;

    fs::write(directory.join("enabled_plugins"), "[].\n")?;
    let file = directory.join(".erlang.cookie");
    fs::write(&file, cookie)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400))
}
