package generators

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every file of the examples and of testdata is known by its first bytes as
// made from its spec, and as made from no other. Only what a user's template
// wrote is nobody's.
func TestEveryFileIsKnownAsOurs(t *testing.T) {
	seen := map[string]bool{}
	for _, parent := range []string{"../examples", "testdata"} {
		err := filepath.WalkDir(parent, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			spec, file, rendered := strings.Cut(filepath.ToSlash(strings.TrimPrefix(name, parent)), "/out/")
			if !rendered || strings.HasPrefix(spec, "/template") {
				return nil
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			seen[filepath.Ext(file)] = true
			spec = strings.TrimPrefix(spec, "/")
			if head := text[:min(len(text), 1024)]; !MadeFrom(spec)(head) || MadeFrom(spec[:len(spec)-1])(head) || MadeFrom(spec+"2")(head) {
				t.Errorf("%s is not known as made from %s and from nothing else", name, spec)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, ext := range []string{".json", ".nft", ".v4", ".tf", ".yaml", ".conf", ""} {
		if !seen[ext] {
			t.Errorf("no file ends in %q", ext)
		}
	}
}

func TestWhatOthersWroteIsNotOurs(t *testing.T) {
	for _, text := range []string{
		"", "[]", `[ { "IpProtocol": "tcp", "FromPort": 21 } ]`,
		"[\n  {\n    \"Description\": \"edi control\"\n  }\n]\n",
		"# after what was Made by pasvctl 0.1.0 from shop; do not edit",
		"see: \"Description\": \"Made by pasvctl from shop: x\"",
	} {
		if MadeFrom("shop")([]byte(text)) {
			t.Errorf("%q is taken for ours", text)
		}
	}
	if !MadeFrom("a & b")([]byte("    \"Description\": \"Made by pasvctl from a \\u0026 b: edi data\"")) {
		t.Error("a name that JSON escapes is not known")
	}
}
