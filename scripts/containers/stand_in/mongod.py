"""nx-27017 with the logins of MongoDB's image: one user, by SCRAM-SHA-256 (RFC 7677).

It checks a password where a client sends one. A client without a login is not refused.
"""

import base64
import hashlib
import hmac
import os
import pathlib
import sys

from nx_27017 import handler, nx_27017

PID_FILE = "/tmp/mongod.pid"
USER = os.environ["MONGO_INITDB_ROOT_USERNAME"]
PASSWORD = os.environ["MONGO_INITDB_ROOT_PASSWORD"].encode()
SALT, ROUNDS = os.urandom(16), 15_000
SALTED = hashlib.pbkdf2_hmac("sha256", PASSWORD, SALT, ROUNDS)
FAILED = {"ok": 0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}


def mac(key, text):
    return hmac.digest(key, text, "sha256")


class Logins:
    """Conversations by their number."""

    def __init__(self):
        self.open = {}
        self.last = 0

    def start(self, command):
        first = bytes(command["payload"]).decode().removeprefix("n,,")
        fields = dict(part.split("=", 1) for part in first.split(","))
        nonce = fields["r"] + base64.b64encode(os.urandom(18)).decode()
        answer = f"r={nonce},s={base64.b64encode(SALT).decode()},i={ROUNDS}"
        self.last += 1
        self.open[self.last] = (fields["n"], nonce, f"{first},{answer}")
        return self._step(self.last, answer, False)

    def go_on(self, command):
        number = command["conversationId"]
        text = bytes(command["payload"]).decode()
        if not text:
            return self._step(number, "", True)
        user, nonce, so_far = self.open.pop(number, (None, None, None))
        without_proof, _, proof = text.rpartition(",p=")
        key = mac(SALTED, b"Client Key")
        signature = mac(hashlib.sha256(key).digest(), f"{so_far},{without_proof}".encode())
        expected = bytes(left ^ right for left, right in zip(key, signature))
        if user != USER or f"r={nonce}" not in without_proof or not hmac.compare_digest(base64.b64decode(proof), expected):
            return FAILED
        verifier = mac(mac(SALTED, b"Server Key"), f"{so_far},{without_proof}".encode())
        return self._step(number, f"v={base64.b64encode(verifier).decode()}", True)

    @staticmethod
    def _step(number, text, done):
        return {"ok": 1, "conversationId": number, "done": done, "payload": text.encode()}


def with_logins(class_, logins):
    """Adds the three commands of a login to the server's handler."""
    plain = class_.handle_command

    def handle_command(self, message):
        command = next((document for kind, document in message["sections"] if kind == "body"), None) or {}
        if "saslStart" in command:
            return message["request_id"], logins.start(command)
        if "saslContinue" in command:
            return message["request_id"], logins.go_on(command)
        number, answer = plain(self, message)
        if "saslSupportedMechs" in command:
            answer["saslSupportedMechs"] = ["SCRAM-SHA-256"]
        return number, answer

    class_.handle_command = handle_command


if __name__ == "__main__":
    (class_,) = [found for found in vars(handler).values() if isinstance(found, type) and "handle_command" in vars(found)]
    with_logins(class_, Logins())
    # After a crash, the number in the file is that of this process.
    pathlib.Path(PID_FILE).unlink(missing_ok=True)
    sys.argv = ["mongod", "--host", "0.0.0.0", "--port", "27017", "--data-dir", "/data/db",
                "--pid-file", PID_FILE, "--log-file", "/tmp/mongod.log"]
    sys.exit(nx_27017.main())
