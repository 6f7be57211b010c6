{{- /* The YAML file of settings. Numbers of values are floats by the time that they get here; what was written without a
fraction is written without one, never as 1e+06. */ -}}
{{- define "foretick.settings" -}}
{{- range $name, $value := .Values.settings }}
{{ $name }}:
{{- if kindIs "slice" $value }}
{{- range $value }}
  - {{ include "foretick.scalar" . }}
{{- end }}
{{- else }} {{ include "foretick.scalar" $value }}
{{- end }}
{{- end }}
{{- end }}

{{- define "foretick.scalar" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . | toString | quote }}
{{- else }}{{ . | toString | quote }}
{{- end }}
{{- end }}
