"""How to connect each kind of sender: a few lines of its own configuration.

{address} stands for the address of this installation, {token_file} for the file with a token of scope
*ingest* on this host. The documentation's pages under connect/ say more.
"""

from __future__ import annotations

from stormpetrel.model.view import Snippet

_PROMETHEUS = """remote_write:
  - url: {address}/api/v1/write
    authorization:
      credentials_file: {token_file}"""

_SCRAPE = """[[sources.scrape]]
name = "node"
url = "http://10.0.0.5:9100/metrics"
"""

_DISCOVERY = """[[sources.discovery]]
name = "fleet"
files = ["/etc/petrel/targets/*.yml"]"""

_OTLP = """exporters:
  otlphttp:
    endpoint: {address}
    headers:
      authorization: "Bearer ${file:{token_file}}"
"""

_OTLP_GRPC = """[sources.otlp_grpc]
port = 4317"""

_LOKI = """clients:
  - url: {address}/loki/api/v1/push
    bearer_token_file: {token_file}"""

_ELASTIC = """[OUTPUT]
    Name        es
    Match       *
    Host        127.0.0.1
    Port        7780
    Path        /elastic
    HTTP_User   petrel
    HTTP_Passwd ${PETREL_TOKEN}
    Suppress_Type_Name On"""

_INFLUX = """[[outputs.influxdb_v2]]
  urls = ["{address}"]
  token = "${PETREL_TOKEN}"
  organization = "any"
  bucket = "any"
"""

_SYSLOG = """# petrel.toml
[sources.syslog]
tcp_port = 5514
# rsyslog
*.* action(type="omfwd" target="127.0.0.1" port="5514" protocol="tcp" TCP_Framing="octet-counted")"""

_STATSD = """[sources.statsd]
udp_port = 8125"""

_ALERTMANAGER = """receivers:
  - name: petrel
    webhook_configs:
      - url: {address}/hooks/alertmanager
        http_config:
          authorization:
            credentials_file: {token_file}"""

_CHANGES = """curl -H "Authorization: Bearer $(cat {token_file})" \\
  -H 'Content-Type: application/json' {address}/hooks/changes \\
  -d '{"kind": "deploy", "service": "checkout", "version": "1.4.2", "state": "succeeded"}'"""

_FILES = """[sources.logs]
files = ["/var/log/syslog", "/srv/app/*.log"]"""

_ZEEK = """curl -H "Authorization: Bearer $(cat {token_file})" \\
  --data-binary @conn.log {address}/flows/zeek"""

_SURICATA = """curl -H "Authorization: Bearer $(cat {token_file})" \\
  --data-binary @eve.json {address}/flows/suricata"""

_FLOWS_CSV = """nfdump -r nfcapd.202605011200 -o csv |
  curl -H "Authorization: Bearer $(cat {token_file})" --data-binary @- {address}/flows/csv"""

_KUBERNETES_EVENTS = """kubectl get events --all-namespaces --output json |
  curl -H "Authorization: Bearer $(cat {token_file})" -H 'Content-Type: application/json' \\
  --data-binary @- {address}/hooks/kubernetes-events"""

_GRAFANA = """contactPoints:
  - orgId: 1
    name: stormpetrel
    receivers:
      - uid: stormpetrel
        type: webhook
        settings:
          url: {address}/hooks/grafana
          authorization_scheme: Bearer
          authorization_credentials: $STORMPETREL_TOKEN"""

_NETFLOW = """[sources.flows]
udp_port = 2055
allow = ["10.0.0.0/8"]"""

_SMART = """[sources.smart]
interval_seconds = 3600"""

SNIPPETS: tuple[Snippet, ...] = (
    Snippet("remote_write", "Prometheus", "yaml", _PROMETHEUS, "connect/prometheus"),
    Snippet("scrape", "A metrics endpoint", "toml", _SCRAPE, "connect/prometheus"),
    Snippet("discovery", "Metrics endpoints from a list", "toml", _DISCOVERY, "connect/prometheus"),
    Snippet("otlp", "OpenTelemetry Collector", "yaml", _OTLP, "connect/opentelemetry"),
    Snippet("otlp_grpc", "OpenTelemetry over gRPC", "toml", _OTLP_GRPC, "connect/opentelemetry"),
    Snippet("files", "Log files", "toml", _FILES, "connect/logs"),
    Snippet("loki", "Promtail and other Loki clients", "yaml", _LOKI, "connect/loki"),
    Snippet("elastic", "Fluent Bit, Filebeat, Logstash", "ini", _ELASTIC, "connect/elasticsearch"),
    Snippet("syslog", "Syslog", "toml", _SYSLOG, "connect/syslog"),
    Snippet("statsd", "StatsD", "toml", _STATSD, "connect/statsd"),
    Snippet("influx", "Telegraf", "toml", _INFLUX, "connect/influx"),
    Snippet("alertmanager", "Alertmanager", "yaml", _ALERTMANAGER, "connect/alerts"),
    Snippet("grafana", "Grafana's alerts", "yaml", _GRAFANA, "connect/alerts"),
    Snippet("changes", "Deploys and other changes", "sh", _CHANGES, "connect/changes"),
    Snippet("kubernetes_events", "Kubernetes' events", "sh", _KUBERNETES_EVENTS, "connect/changes"),
    Snippet("zeek", "Zeek", "sh", _ZEEK, "connect/network"),
    Snippet("suricata", "Suricata", "sh", _SURICATA, "connect/network"),
    Snippet("flows_csv", "Tables of flows", "sh", _FLOWS_CSV, "connect/network"),
    Snippet("netflow", "NetFlow and IPFIX", "toml", _NETFLOW, "connect/network"),
    Snippet("smart", "Disk health", "toml", _SMART, "connect/disks"),
)
