{{- /* What the schema of the values cannot say in words that help. Every rendering goes through here. */ -}}
{{- define "foretick.check" -}}
{{- if and (eq .Values.store.kind "postgres") (not .Values.store.postgres.secret.name) }}
{{- fail "store.kind is postgres: name the secret that holds the database's URL in store.postgres.secret.name; kubectl create secret generic foretick-store --from-literal=url=postgres://user:password@host:5432/database makes one" }}
{{- end }}
{{- if and (not .Values.auth.secret) (not .Values.auth.generate) }}
{{- fail "auth.generate is false: name the secret that holds the API keys in auth.secret; docs/kubernetes.md shows how to make one" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.enabled: name at least one host in ingress.hosts, such as foretick.example.com" }}
{{- end }}
{{- with .Values.readers }}
{{- if and .enabled (eq $.Values.store.kind "sqlite") }}
{{- fail "readers.enabled: a SQLite database is in the pod that writes, and nobody else can read it; readers need store.kind postgres" }}
{{- end }}
{{- if and .autoscaling.enabled (not .enabled) }}
{{- fail "readers.autoscaling.enabled: one pod writes, and more of them would not make it faster; only readers are scaled: set readers.enabled, with store.kind postgres" }}
{{- end }}
{{- if and .autoscaling.enabled (lt (int .autoscaling.max) (int .replicas)) }}
{{- fail (printf "readers.autoscaling.max is %d, less than readers.replicas, %d" (int .autoscaling.max) (int .replicas)) }}
{{- end }}
{{- if and $.Values.ingress.readerHosts (not .enabled) }}
{{- fail "ingress.readerHosts: there are no readers; set readers.enabled" }}
{{- end }}
{{- end }}
{{- $own := dict "addr" "service and ingress" "data" "store.sqlite" "store" "store.postgres.secret" "role" "readers" "api-keys" "auth.secret" "insecure-public" "auth: a server that others can reach has keys" }}
{{- range $name, $value := .Values.settings }}
{{- with index $own $name }}
{{- fail (printf "settings.%s is not for here: see %s" $name .) }}
{{- end }}
{{- end }}
{{- end }}
