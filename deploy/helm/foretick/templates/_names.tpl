{{- define "foretick.fullname" -}}
{{- if .Values.fullname }}{{ .Values.fullname }}
{{- else }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "foretick.selector" -}}
app.kubernetes.io/name: foretick
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "foretick.labels" -}}
{{ include "foretick.selector" . }}
app.kubernetes.io/version: {{ include "foretick.version" . | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* A label's value has 63 characters at most and no colon: of a digest the first 12 digits are shown. */ -}}
{{- define "foretick.version" -}}
{{- with .Values.image.digest }}{{ trimPrefix "sha256:" . | trunc 12 }}
{{- else }}{{ .Values.image.tag | default .Chart.AppVersion | trunc 63 }}
{{- end }}
{{- end }}

{{- define "foretick.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "foretick.keysSecret" -}}
{{ .Values.auth.secret | default (printf "%s-keys" (include "foretick.fullname" .)) }}
{{- end }}

{{- define "foretick.serviceAccount" -}}
{{ .Values.serviceAccount.existing | default (include "foretick.fullname" .) }}
{{- end }}
