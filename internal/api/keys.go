package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Role is what a key permits.
type Role string

// The roles. Write includes read, and admin includes write and lets profiles be taken.
const (
	Read  Role = "read"
	Write Role = "write"
	Admin Role = "admin"
)

// may reports whether a role includes another.
func (r Role) may(other Role) bool {
	roles := []Role{Read, Write, Admin}
	return slices.Index(roles, r) >= slices.Index(roles, other)
}

// Keys are the static API keys. Secrets are kept as hashes only.
type Keys struct{ keys []key }

type key struct {
	name string
	role Role
	sum  [32]byte
}

// minSecret is the least length of a secret, in bytes.
const minSecret = 16

// ParseKeys reads keys as name:role:secret, separated by commas. The role is read,
// write or admin; a secret has at least 16 bytes and contains no comma. Errors never quote a
// secret. An empty string gives nil: no keys.
func ParseKeys(s string) (*Keys, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	k := &Keys{}
	names := map[string]bool{}
	for i, part := range strings.Split(s, ",") {
		f := strings.SplitN(strings.TrimSpace(part), ":", 3)
		if len(f) != 3 || f[0] == "" {
			return nil, fmt.Errorf("API key %d is not of the form name:role:secret", i+1)
		}
		role := Role(f[1])
		switch {
		case role != Read && role != Write && role != Admin:
			return nil, fmt.Errorf("API key %d: the role must be read, write or admin", i+1)
		case len(f[2]) < minSecret:
			return nil, fmt.Errorf("API key %d: the secret must have at least %d characters; openssl rand -hex 16 makes one", i+1, minSecret)
		case names[f[0]]:
			return nil, fmt.Errorf("API key %d: its name is used twice", i+1)
		}
		names[f[0]] = true
		k.keys = append(k.keys, key{f[0], role, sha256.Sum256([]byte(f[2]))})
	}
	return k, nil
}

var errKey = errors.New("a valid API key is needed: send it as Authorization: Bearer KEY")

// check returns the name and role of the key in an Authorization header. It takes the
// same time whichever key it is.
func (k *Keys) check(header string) (name string, role Role, err error) {
	scheme, secret, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", "", errKey
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(secret)))
	err = errKey
	for i := range k.keys {
		if subtle.ConstantTimeCompare(sum[:], k.keys[i].sum[:]) == 1 {
			name, role, err = k.keys[i].name, k.keys[i].role, nil
		}
	}
	return name, role, err
}
