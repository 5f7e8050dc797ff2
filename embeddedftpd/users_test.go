package embeddedftpd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Hashes that others made: argon2id from the reference implementation's own
// tests, bcrypt from crypt_blowfish's.
const (
	referenceArgon  = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4" // "password"
	referenceBcrypt = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"                         // "U*U"
)

func TestHashPassword(t *testing.T) {
	hash, err := HashPassword("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q", hash)
	}
	again, _ := HashPassword("correct horse")
	if hash == again {
		t.Error("two hashes of a password are the same: no salt")
	}
	h, err := parseHash(hash)
	if err != nil {
		t.Fatal(err)
	}
	if !h("correct horse") || h("correct horsf") || h("") {
		t.Error("the hash does not tell its password from others")
	}
	for _, bad := range []string{"", "a\nb", "a\x00b", strings.Repeat("x", maxPassword+1)} {
		if _, err := HashPassword(bad); err == nil {
			t.Errorf("%.10q: no error", bad)
		}
	}
}

func TestReadUsers(t *testing.T) {
	users, err := ReadUsers(strings.NewReader("# who may come in\n\n"+
		"alice:"+referenceArgon+":/srv/alice\r\n"+
		"bob:"+referenceBcrypt+":/srv/with space:ro,rate=1000\n"+
		"zoë@example.com:"+referenceBcrypt+":/srv/z"), "users")
	if err != nil {
		t.Fatal(err)
	}
	if len(users.All()) != 3 {
		t.Errorf("%d users", len(users.All()))
	}
	for _, x := range []struct {
		name, password string
		want           User
	}{
		{"alice", "password", User{Name: "alice", Root: "/srv/alice"}},
		{"bob", "U*U", User{Name: "bob", Root: "/srv/with space", ReadOnly: true, Rate: 1000}},
		{"zoë@example.com", "U*U", User{Name: "zoë@example.com", Root: "/srv/z"}},
		{"alice", "Password", User{}},
		{"alice", "", User{}},
		{"bob", "password", User{}},
		// Whichever hash replaces that of an unknown name, its password opens nothing.
		{"carol", "U*U", User{}},
		{"carol", "password", User{}},
		{"", "password", User{}},
	} {
		got, err := users.Authenticate(t.Context(), x.name, x.password, 0)
		if got != x.want || (err == nil) != (x.want != User{}) || err != nil && !errors.Is(err, ErrLogin) {
			t.Errorf("%s with %q: %+v, %v", x.name, x.password, got, err)
		}
	}
	for _, u := range users.entries {
		line, err := u.Line(referenceBcrypt)
		back, err2 := parseUser(line)
		if err != nil || err2 != nil || back.User != u.User {
			t.Errorf("%+v became %q and %+v: %v, %v", u.User, line, back.User, err, err2)
		}
	}
}

// Users of a file see each their own root, and do there what they may.
func TestUsersOfAFile(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	users, err := ReadUsers(strings.NewReader("alice:"+referenceBcrypt+":"+a+"\nbob:"+referenceBcrypt+":"+b+":ro\n"), "users")
	if err != nil {
		t.Fatal(err)
	}
	ts := start(t, func(c *Config) { c.Users = users })
	login := func(name string) *client {
		c := dial(t, ts.addr())
		c.expect(220)
		c.do(331, "USER %s", name)
		c.do(230, "PASS U*U")
		c.do(200, "TYPE I")
		return c
	}
	alice, bob := login("alice"), login("bob")
	alice.put("alice's", "STOR f")
	if err := os.WriteFile(filepath.Join(b, "g"), []byte("bob's"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := alice.get("NLST"); got != "f\r\n" {
		t.Errorf("alice sees %q", got)
	}
	if got := bob.get("NLST"); got != "g\r\n" {
		t.Errorf("bob sees %q", got)
	}
	bob.epsv()
	bob.do(550, "STOR h")
	bob.do(550, "RETR f")
	// One session, another user: nothing of the first one's stays.
	alice.do(257, "MKD dir")
	alice.do(250, "CWD dir")
	alice.do(331, "USER bob")
	alice.do(530, "PWD")
	alice.do(230, "PASS U*U")
	alice.do(257, "PWD")
	if got := alice.get("RETR /g"); got != "bob's" {
		t.Errorf("as bob: %q", got)
	}
	alice.do(550, "DELE g")
}

func TestAuthenticateGivesUp(t *testing.T) {
	users, err := ReadUsers(strings.NewReader("alice:"+referenceArgon+":/"), "users")
	if err != nil {
		t.Fatal(err)
	}
	for !users.hashing.full() {
		users.hashing.enter(t.Context(), false)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := users.Authenticate(ctx, "alice", "password", 0); !errors.Is(err, context.Canceled) {
		t.Errorf("behind a full queue: %v", err)
	}
	empty, err := ReadUsers(strings.NewReader(""), "users")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := empty.Authenticate(t.Context(), "alice", "password", 0); !errors.Is(err, ErrLogin) {
		t.Errorf("no users: %v", err)
	}
}

func TestReadUsersErrors(t *testing.T) {
	argon := func(params string) string {
		return strings.Replace(referenceArgon, "m=256,t=2,p=1", params, 1)
	}
	for line, want := range map[string]string{
		"alice":                                                                     "1 fields",
		"a:b:c:d:e":                                                                 "5 fields",
		":" + referenceBcrypt + ":/":                                                "empty",
		"a/b:" + referenceBcrypt + ":/":                                             "not allowed",
		"a\tb:" + referenceBcrypt + ":/":                                            "not allowed",
		" a:" + referenceBcrypt + ":/":                                              "space",
		"\xff:" + referenceBcrypt + ":/":                                            "UTF-8",
		"alice:secret:/":                                                            "neither argon2id",
		"alice:$1$abc$def:/":                                                        "neither argon2id",
		"alice:" + referenceBcrypt + ":rel":                                         "absolute",
		"alice:" + referenceBcrypt + ":/:rate=0":                                    "at least 1",
		"alice:" + referenceBcrypt + ":/:rw":                                        "there are ro and rate=N",
		"alice:$2a$31$" + referenceBcrypt[7:] + ":/":                                "bcrypt cost 31",
		"alice:" + referenceBcrypt + "x:/":                                          "malformed",
		"alice:" + argon("m=256,t=2") + ":/":                                        "malformed",
		"alice:" + argon("m=7,t=2,p=1") + ":/":                                      "want t 1",
		"alice:" + argon("m=4294967295,t=2,p=1") + ":/":                             "want t 1",
		"alice:" + argon("m=256,t=0,p=1") + ":/":                                    "want t 1",
		"alice:" + argon("m=256,t=2,p=0") + ":/":                                    "want t 1",
		"alice:" + argon("m=256,t=2,p=256") + ":/":                                  "malformed",
		"alice:" + strings.Replace(referenceArgon, "v=19", "v=16", 1) + ":/":        "version 16",
		"alice:" + strings.Replace(referenceArgon, "c29tZXNhbHQ", "c29t", 1) + ":/": "salt of 3",
		"alice:" + strings.Replace(referenceArgon, "c29tZXNhbHQ", "****", 1) + ":/": "malformed",
		strings.Repeat("x", maxUserLine+1):                                          "longer",
		strings.Repeat("x", maxUserName+1) + ":" + referenceBcrypt + ":/":           "longer",
	} {
		_, err := ReadUsers(strings.NewReader("# first\n"+line), "the users")
		if err == nil || !strings.HasPrefix(err.Error(), "the users:2: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want …%s…", line, err, want)
		}
	}
	twice := "alice:" + referenceBcrypt + ":/\n"
	if _, err := ReadUsers(strings.NewReader(twice+twice), "u"); err == nil || !strings.Contains(err.Error(), "u:2:") {
		t.Errorf("a user twice: %v", err)
	}
	comment := "#" + strings.Repeat("x", maxUserLine-3) + "\n"
	comments := strings.NewReader(strings.Repeat(comment, maxUserFileSize/len(comment)+1))
	if _, err := ReadUsers(comments, "u"); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a file too large: %v", err)
	}
	var many strings.Builder
	for i := range maxUsers + 1 {
		fmt.Fprintf(&many, "u%d:%s:/\n", i, referenceBcrypt)
	}
	if _, err := ReadUsers(strings.NewReader(many.String()), "u"); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("too many users: %v", err)
	}
}
