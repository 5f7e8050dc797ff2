package embeddedftpd

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// OWASP's first recommendation for argon2id (19 MiB, two passes, one lane), a salt of
// 16 bytes and a tag of 32 (RFC 9106 section 3.1).
const (
	argonMemory = 19 * 1024
	argonPasses = 2
	argonLanes  = 1
	argonSalt   = 16
	argonTag    = 32
)

// Bounds of what a users file may ask of the processor for one login.
const (
	maxArgonMemory = 256 * 1024 // KiB
	maxArgonPasses = 32
	maxArgonLanes  = 64
	maxBcryptCost  = 15
)

// maxPassword bounds a new password; a command line can hold no more.
const maxPassword = 1024

// HashPassword returns the argon2id hash of a password in PHC form. An empty password,
// or one that a PASS command cannot carry, is an error.
func HashPassword(password string) (string, error) {
	switch {
	case password == "":
		return "", errors.New("the password is empty")
	case len(password) > maxPassword:
		return "", fmt.Errorf("the password is longer than %d bytes", maxPassword)
	case strings.ContainsAny(password, "\r\n\x00"):
		return "", errors.New("the password holds a line break or a NUL, which no FTP client can send")
	}
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	tag := argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, argonLanes, argonTag)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonLanes,
		b64.EncodeToString(salt), b64.EncodeToString(tag)), nil
}

// passwordHash reports whether a password is its own.
type passwordHash func(password string) bool

func parseHash(text string) (passwordHash, error) {
	switch {
	case strings.HasPrefix(text, "$argon2id$"):
		return parseArgon(text)
	case strings.HasPrefix(text, "$2a$"), strings.HasPrefix(text, "$2b$"), strings.HasPrefix(text, "$2y$"):
		cost, err := bcrypt.Cost([]byte(text))
		if err != nil || len(text) != 60 {
			return nil, errors.New("the bcrypt hash is malformed")
		}
		if cost > maxBcryptCost {
			return nil, fmt.Errorf("bcrypt cost %d: the most is %d, since each login pays it", cost, maxBcryptCost)
		}
		return func(password string) bool {
			// bcrypt looks at 72 bytes only; a longer password is compared by those, as
			// every tool that made such a hash did.
			return bcrypt.CompareHashAndPassword([]byte(text), []byte(password[:min(len(password), 72)])) == nil
		}, nil
	}
	return nil, errors.New("the hash is neither argon2id ($argon2id$…) nor bcrypt ($2b$…): make one with `pasvctl user add`")
}

func parseArgon(text string) (passwordHash, error) {
	var (
		version, memory, passes uint32
		lanes                   uint8
	)
	malformed := errors.New("the argon2id hash is malformed: want $argon2id$v=19$m=…,t=…,p=…$salt$tag")
	parts := strings.Split(text, "$")
	if len(parts) != 6 {
		return nil, malformed
	}
	if n, err := fmt.Sscanf(parts[2]+"\n", "v=%d\n", &version); err != nil || n != 1 {
		return nil, malformed
	}
	if version != argon2.Version {
		return nil, fmt.Errorf("argon2id version %d: only %d is known", version, argon2.Version)
	}
	if n, err := fmt.Sscanf(parts[3]+"\n", "m=%d,t=%d,p=%d\n", &memory, &passes, &lanes); err != nil || n != 3 {
		return nil, malformed
	}
	salt, err := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	tag, err2 := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err != nil || err2 != nil {
		return nil, malformed
	}
	switch {
	case passes < 1 || passes > maxArgonPasses, lanes < 1 || lanes > maxArgonLanes,
		memory < 8*uint32(lanes) || memory > maxArgonMemory:
		return nil, fmt.Errorf("argon2id m=%d,t=%d,p=%d: want t 1 to %d, p 1 to %d, m 8×p to %d (KiB)",
			memory, passes, lanes, maxArgonPasses, maxArgonLanes, maxArgonMemory)
	case len(salt) < 8 || len(salt) > 64 || len(tag) < 16 || len(tag) > 64:
		return nil, fmt.Errorf("argon2id salt of %d and tag of %d bytes: want 8 to 64 and 16 to 64", len(salt), len(tag))
	}
	return func(password string) bool {
		got := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(tag)))
		return subtle.ConstantTimeCompare(got, tag) == 1
	}, nil
}
