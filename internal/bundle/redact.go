package bundle

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// shown are the settings whose values hold no secret.
var shown = []string{
	"addr", "data", "feed", "speed", "start", "sim", "seed", "instrument", "interval", "rollup", "timezone", "models", "horizons", "grace", "retain", "history", "unofficial",
	"insecure-public", "profiling", "role", "log", "predict-model", "otlp-ratio",
	"keep-ticks", "config", "file", "actions", "record", "onnx", "onnx-runtime",
}

// shortest is the length from which a value is taken for a secret wherever it turns up: a
// shorter one would be found in words.
const shortest = 5

// ordinary are values that are no secret wherever they stand: taking them out would spoil
// everything else.
var ordinary = regexp.MustCompile(`^(true|false|debug|error|never|default|[0-9.]{1,6}(ms|s|m|h|d)?)$`)

// blank stands for a secret.
const blank = "[redacted]"

// Redactor takes secrets out of text. The zero value knows no secret, only what they
// look like.
type Redactor struct{ secrets []string }

// NewRedactor knows the secrets of an environment (os.Environ) and of a YAML file's
// settings: the values of all variables and keys that are not known to be harmless, their
// parts, and the contents of the files that variables named ..._FILE name.
func NewRedactor(environ []string, settings map[string]any) *Redactor {
	r := &Redactor{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if !secretive(name) {
			continue
		}
		r.add(value)
		if strings.HasSuffix(name, "_FILE") {
			if b, err := os.ReadFile(value); err == nil && len(b) < 1<<16 {
				r.add(strings.TrimSpace(string(b)))
			}
		}
	}
	for name, value := range settings {
		if slices.Contains(shown, name) {
			continue
		}
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, v := range list {
			r.add(fmt.Sprint(v))
		}
	}
	r.sort()
	return r
}

// AddSettings makes the secrets in settings of the command line known.
func (r *Redactor) AddSettings(values ...string) {
	for _, v := range values {
		r.add(v)
	}
	r.sort()
}

// sort puts the longest first: a part of it must not spoil it.
func (r *Redactor) sort() {
	slices.SortFunc(r.secrets, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	r.secrets = slices.Compact(r.secrets)
}

// secretive reports whether a variable of the environment may hold a secret.
func secretive(name string) bool {
	if flag, ok := strings.CutPrefix(name, "FORETICK_"); ok {
		return !slices.Contains(shown, strings.ToLower(strings.ReplaceAll(flag, "_", "-")))
	}
	if name == "PREDICT_API_URL" || strings.HasPrefix(name, "OTEL_") {
		return true
	}
	for _, word := range []string{"KEY", "TOKEN", "SECRET", "PASS", "PWD", "CREDENTIAL", "_URL", "_DSN", "CONNECTION"} {
		if name != "PWD" && name != "OLDPWD" && strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// add takes a value apart: addresses into password, query and what the path may hide, keys
// and headers into their parts.
func (r *Redactor) add(value string) {
	keep := func(s string) {
		if len(s) >= shortest && !ordinary.MatchString(s) {
			r.secrets = append(r.secrets, s)
			if esc := url.QueryEscape(s); esc != s {
				r.secrets = append(r.secrets, esc)
			}
		}
	}
	if _, rest, ok := strings.Cut(value, "://"); ok { // perhaps after VENUE=
		at := strings.LastIndex(rest, "@")
		if at >= 0 {
			_, password, _ := strings.Cut(rest[:at], ":")
			keep(password)
			if plain, err := url.PathUnescape(password); err == nil {
				keep(plain)
			}
		}
		if _, query, ok := strings.Cut(rest, "?"); ok {
			for _, kv := range strings.FieldsFunc(query, func(c rune) bool { return c == '&' || c == '#' }) {
				_, v, _ := strings.Cut(kv, "=")
				keep(v)
				if plain, err := url.QueryUnescape(v); err == nil {
					keep(plain)
				}
			}
		}
		return // the rest of an address is needed to help
	}
	keep(value)
	for _, part := range strings.Split(value, ",") {
		part = strings.TrimSpace(part)
		if f := strings.SplitN(part, ":", 3); len(f) == 3 { // name:role:secret
			keep(f[2])
		}
		if _, v, ok := strings.Cut(part, "="); ok { // header=value
			keep(v)
			if plain, err := url.QueryUnescape(v); err == nil {
				keep(plain)
				_, token, _ := strings.Cut(plain, " ") // Bearer TOKEN
				keep(token)
			}
		}
	}
}

// What secrets look like where they are not known.
var looks = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s"'@]+@`), "${1}" + blank + "@"},
	{regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'?]*)\?[^\s"']+`), "${1}?" + blank},
	{regexp.MustCompile(`(?i)\b((?:bearer|basic)\s+)[a-z0-9._~+/=-]{8,}`), "${1}" + blank},
	{regexp.MustCompile(`(?i)\b((?:api[_-]?key|apikey|token|secret|password|passwd|pwd)["']?\s*[=:]\s*["']?)[^\s"',&]{4,}`), "${1}" + blank},
}

// Clean returns b without secrets.
func (r *Redactor) Clean(b []byte) []byte {
	s := string(b)
	for _, secret := range r.secrets {
		s = strings.ReplaceAll(s, secret, blank)
	}
	for _, l := range looks {
		s = l.find.ReplaceAllString(s, l.put)
	}
	return []byte(s)
}

// Settings says what is set in the environment and in the YAML file: values of settings that
// hold no secret, of addresses the part that holds none, and of others that they are set.
func Settings(environ []string, settings map[string]any) []byte {
	var lines []string
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		flag, own := strings.CutPrefix(name, "FORETICK_")
		if !own && !strings.HasPrefix(name, "OTEL_") && name != "PORT" && name != "PREDICT_API_URL" && !secretive(name) {
			continue
		}
		safe := name == "PORT" || own && slices.Contains(shown, strings.ToLower(strings.ReplaceAll(flag, "_", "-")))
		lines = append(lines, "environment  "+name+" = "+show(value, safe))
	}
	for name, value := range settings {
		lines = append(lines, "file         "+name+" = "+show(fmt.Sprint(value), slices.Contains(shown, name)))
	}
	slices.Sort(lines)
	if len(lines) == 0 {
		return []byte("nothing is set in the environment or in a file of settings: every setting of this command has its default\n")
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

func show(value string, safe bool) string {
	if safe {
		return value
	}
	if u, err := url.Parse(value); err == nil && u.Scheme != "" && u.Host != "" {
		return u.Scheme + "://" + u.Host + "/... (the rest is not shown)"
	}
	return "(set, not shown)"
}
