{{- /* Restricted Pod Security: what every pod and every container of the chart has. */ -}}
{{- define "foretick.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.pod.user }}
runAsUser: {{ int64 . }}
{{- end }}
{{- with .Values.pod.group }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "foretick.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* Where pods run, and how their image is fetched. */ -}}
{{- define "foretick.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.pod.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pod.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pod.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pod.topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "foretick.storeEnv" -}}
{{- if eq .Values.store.kind "postgres" -}}
{{- include "foretick.storeFrom" .Values.store.postgres.secret }}
{{- end }}
{{- end }}

{{- define "foretick.storeFrom" -}}
- name: FORETICK_STORE
  valueFrom:
    secretKeyRef: {name: {{ .name }}, key: {{ .key }}}
{{- end }}

{{- /* The template of the pods that serve. */ -}}
{{- define "foretick.pod" -}}
metadata:
  labels:
    {{- include "foretick.labels" . | nindent 4 }}
    app.kubernetes.io/component: {{ .component | default "server" }}
    {{- with .Values.pod.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # Settings are read at the start: new ones make new pods.
    checksum/settings: {{ include "foretick.settings" . | sha256sum }}
    {{- with .Values.pod.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "foretick.serviceAccount" . }}
  automountServiceAccountToken: false
  # Else Kubernetes sets FORETICK_PORT and the like for each service, and the program reads FORETICK_*.
  enableServiceLinks: false
  securityContext: {{- include "foretick.podSecurity" . | nindent 4 }}
  {{- with include "foretick.placement" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  # The program stops within five seconds: feed, engine, streams, store, in this order.
  terminationGracePeriodSeconds: 30
  containers:
    - name: foretick
      image: {{ include "foretick.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [serve, {{ if eq (.component | default "server") "reader" }}--role, reader, {{ end }}--config, /etc/foretick/settings.yaml]
      env:
        - name: FORETICK_API_KEYS
          valueFrom:
            secretKeyRef: {name: {{ include "foretick.keysSecret" . }}, key: {{ .Values.auth.apiKeys }}}
        {{- if eq (.component | default "server") "reader" }}
        {{- include "foretick.storeFrom" (ternary .Values.readers.secret .Values.store.postgres.secret (ne .Values.readers.secret.name "")) | nindent 8 }}
        {{- else }}
        {{- with include "foretick.storeEnv" . }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range $name, $from := .Values.secretEnv }}
        - name: {{ $name }}
          valueFrom:
            secretKeyRef: {name: {{ $from.name }}, key: {{ $from.key }}}
        {{- end }}
        {{- end }}
      ports:
        - {name: http, containerPort: 8080}
      # Nothing is served before the store is open and every series goes on from its last snapshot.
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 2
        failureThreshold: {{ max 1 (div (int .Values.startupSeconds) 2) }}
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 5
        timeoutSeconds: 3
      resources: {{- toYaml (ternary .Values.readers.resources .Values.resources (eq (.component | default "server") "reader")) | nindent 8 }}
      securityContext: {{- include "foretick.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - {name: settings, mountPath: /etc/foretick, readOnly: true}
        - {name: data, mountPath: /data}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: settings
      configMap: {name: {{ include "foretick.fullname" . }}}
    - name: tmp
      emptyDir: {sizeLimit: 256Mi}
    {{- with .Values.store.sqlite }}
    {{- if or (ne $.Values.store.kind "sqlite") (not .persistent) }}
    - name: data
      emptyDir: {}
    {{- else if .existingClaim }}
    - name: data
      persistentVolumeClaim: {claimName: {{ .existingClaim }}}
    {{- end }}
    {{- end }}
{{- end }}
