"""The rules of `act.words`: what reads as destruction, by name. Texts come in lower case."""

from __future__ import annotations

_G = r"(?:[^;&|\n]*?\s)?"  # anything else of the same command in between
_SHELLS = (
    r"(?:/\S*/)?(?:env )?(?:sudo )?(?:ba|z|da|k|c|fi|a)?sh|python[0-9.]*|perl|ruby|node|php|pwsh|powershell"
)

RULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "rm with -r or -f",
        (rf"\brm {_G}(?:-[a-z]*[rf][a-z]*\b|--recursive|--no-preserve-root|/|\*|~)",),
    ),
    (
        "unlink, shred or wipe",
        (r"\b(?:shred|wipefs|srm|wipe|unlink|blkdiscard|sdelete)\b",),
    ),
    (
        "rmdir, del or Remove-Item",
        (
            r"\b(?:rmdir|rd) /s",
            r"\bdel /[fsq]",
            r"\bremove-item\b",
            r"\bformat(?:\.com)? [a-z]:",
        ),
    ),
    (
        "find that deletes",
        (rf"\bfind {_G}(?:-delete\b|-exec(?:dir)? {_G}(?:rm|shred|unlink)\b)",),
    ),
    (
        "xargs rm",
        (rf"\bxargs {_G}(?:rm|shred|unlink|kill -9)\b",),
    ),
    (
        "file systems and partitions",
        (
            r"\bmkfs\b",
            r"\bmke2fs\b",
            r"\bmkswap\b",
            r"\b(?:s|c)?fdisk\b",
            r"\bs?gdisk\b",
            r"\bparted\b",
        ),
    ),
    (
        "volumes",
        (
            r"\b(?:lv|vg|pv)remove\b",
            r"\bcryptsetup\b",
            r"\b(?:zfs|zpool) destroy\b",
            r"\bsubvolume delete\b",
            r"\bmdadm\b",
        ),
    ),
    (
        "dd that writes",
        (r"\bdd\b[^\n]*\bof ?=",),
    ),
    (
        "redirect onto a device",
        (
            r"> ?\|? ?/dev/(?!null\b|std(?:out|err)\b|tty\b|fd/)",
            r"\btee (?:-a )?/dev/(?!null\b)",
        ),
    ),
    (
        "a truncated file",
        (
            r"\btruncate\b",
            r"(?:^|[;&|\n] ?):? ?> ?[\w/.~]",
        ),
    ),
    (
        "moved to nowhere",
        (r"\bmv [^;&|\n]* /dev/null\b",),
    ),
    (
        "permissions of everything",
        (r"\bch(?:mod|own|attr) -[a-z]*r[a-z]* [^;&|\n]*(?: /(?:\s|$)| ?000\b)",),
    ),
    (
        "a fork bomb",
        (
            r":\(\) ?\{",
            r"\bfork bomb\b",
        ),
    ),
    (
        "drop",
        (
            r"\bdrop (?:if exists )?(?:table|database|schema|index|view|materiali[sz]ed|user|role|"
            r"column|keyspace|collection|sequence|type|tablespace|partition|constraint|owned|cascade|"
            r"function|procedure|trigger|policy|publication|subscription|extension|measurement|series|"
            r"bucket|retention|replica|foreign|server|stream|topic)\b",
            r"\bdrop(?:db|user|database|collection|index)\b",
            r"\.drop(?:database|indexes)?\(",
        ),
    ),
    (
        "truncate",
        (r"\btruncat(?:e|ion)\b",),
    ),
    (
        "delete or update of all rows",
        (r"\b(?:delete from|update [\w.\"`\[\]]+ set)\b(?![^;]*\bwhere\b)",),
    ),
    (
        "where that is always true",
        (
            r"""\b(?:delete from|update)\b[^;]*\bwhere (?:\(* ?)?(?:true|not false|1|"""
            r"""(['\"]?\w+['\"]?) ?= ?\1|1 ?(?:<|>|<>|!=) ?\d+|[\w.]+ is not null|"""
            r"""[\w.]+ (?:not )?like ['\"]?%|exists)""",
        ),
    ),
    (
        "alter that drops",
        (r"\balter\b[^;]*\b(?:drop|detach|discard|truncate)\b",),
    ),
    (
        "documents deleted",
        (
            r"\b(?:deletemany|deleteone|delete_by_query)\b",
            r"\.remove\(",
            r"_delete_by_query\b",
        ),
    ),
    (
        "keys flushed",
        (
            r"\bflush ?(?:all|db)\b",
            r"\bdebug (?:reload|segfault)\b",
        ),
    ),
    (
        "queues purged",
        (
            r"\bpurge\b",
            r"\bpurge_queue\b",
            r"\bdelete_(?:queue|vhost|exchange)\b",
            rf"\brabbitmqctl {_G}(?:reset|force_reset)\b",
        ),
    ),
    (
        "topics deleted",
        (
            r"\bkafka-(?:topics|delete-records|configs)\b[^;&|\n]*--delete",
            r"\bkafka-delete-records\b",
        ),
    ),
    (
        "kubectl delete",
        (
            rf"\b(?:kubectl|oc|k3s kubectl|k) {_G}delete (?!{_G}?(?:pods?|po|jobs?|events?)(?:[ /]|$))",
            rf"\b(?:kubectl|oc|k) {_G}delete {_G}(?:--all\b|-a\b|--grace-period ?= ?0|pvc?|ns\b|"
            r"persistent)",
        ),
    ),
    (
        "kubectl replace or drain",
        (rf"\b(?:kubectl|oc) {_G}(?:replace {_G}--force|drain {_G}--delete)",),
    ),
    (
        "charts and stacks deleted",
        (
            r"\bhelm[0-9]? (?:uninstall|delete|del)\b",
            r"\b(?:terraform|tofu|terragrunt|pulumi|cdk|sls|vagrant)\b[^;&|\n]*(?:\bdestroy\b|"
            r"-destroy\b|\bstate rm\b|\btaint\b)",
        ),
    ),
    (
        "containers and volumes",
        (
            r"\b(?:docker|podman|nerdctl|crictl)\b[^;&|\n]*\b(?:prune|volume (?:rm|remove)|rmi?|"
            r"down [^;&|\n]*(?:-v\b|--volumes|--rmi))\b",
            r"\b(?:docker|podman)-compose\b[^;&|\n]*\bdown\b[^;&|\n]*(?:-v\b|--volumes)",
        ),
    ),
    (
        "things of a cloud",
        (
            r"\b(?:aws|gcloud|az|gsutil|doctl|oci|openstack|hcloud|s3cmd|mc|rclone)\b[^;&|\n]*\b(?:rm|"
            r"rb|del|delete|delete-[a-z-]+|terminate-[a-z-]+|deregister-[a-z-]+|purge|remove|destroy|"
            r"deletefile)\b",
            r"\bdelete(?:bucket|volume|snapshot|table|dbinstance|stack|cluster)\b",
            r"\bterminate_?instances?\b",
        ),
    ),
    (
        "--force",
        (
            r"(?<![\w-])--(?:force|yes-i-really-mean-it|no-preserve-root|purge|delete|wipe|destroy|"
            r"prune|hard)\b",
            r"\breset --hard\b",
            r"\bgit clean\b",
            r"\bpush -f\b",
        ),
    ),
    (
        "users and schedules",
        (
            r"\buserdel\b",
            r"\bdeluser\b",
            r"\bcrontab -r\b",
        ),
    ),
    (
        "copies that delete",
        (
            r"\brsync\b[^;&|\n]*--del",
            r"\brobocopy\b[^;&|\n]*/(?:mir|purge)",
        ),
    ),
    (
        "removal by a program",
        (
            r"\bshutil\.rmtree\b",
            r"\bos\.(?:remove|unlink|rmdir|removedirs)\b",
            r"\brm_rf\b",
            r"\bunlinksync\b",
            r"\brmsync\b",
            r"\bunlink\(",
            r"\brmtree\b",
            r"\bfileutils\b",
            r"\bdeleteallfiles\b",
        ),
    ),
    (
        "piped into an interpreter",
        (rf"\| ?(?:{_SHELLS})(?=$|[\s;&|)])",),
    ),
    (
        "decoded or put together to be run",
        (
            r"\bbase(?:64|32) (?:-d|-di|--d|-{0,2}decode)",
            r"\bxxd -[a-z]*r",
            r"\bopenssl (?:enc|base64)\b",
            r"\beval\b",
            r"\bfrombase64string\b",
            r"\b(?:iex|invoke-expression)\b",
            r"-enc(?:odedcommand)?\b",
            r"\buudecode\b",
            r"\bprintf\b[^\n]*\|",
            r"\bexec\(",
        ),
    ),
    (
        "a command that is worked out",
        (
            r"\$\(",
            r"\$\{",
            r"`[^`]+`",
            r"<\(",
            r"(?:^|[;&|\n] ?)\$[a-z_@*{]",
            r"<<<?",
        ),
    ),
    (
        "an interpreter with its program",
        (rf"""\b(?:{_SHELLS}) {_G}-(?:[a-z]*c|e|r|command)(?=$|[\s'\"])""",),
    ),
    (
        "the whole value says delete",
        (r"^(?:delete|destroy|purge|wipe|erase|reformat|drop|truncate)$",),
    ),
    (
        "destruction of a named kind",
        (
            r"\b(?:delete|destroy|wipe|erase|reformat|terminate) (?:all |"
            r"the )?(?:[\w-]+ )?(?:volumes?|disks?|databases?|tables?|backups?|snapshots?|buckets?|"
            r"namespaces?|clusters?|instances?|data|queues?|topics?|partitions?|pvcs?)\b",
        ),
    ),
)
