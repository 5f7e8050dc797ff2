package generators

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// made are files given as target, path, target, path ...
func made(targetAndPath ...string) []File {
	var files []File
	for i := 0; i < len(targetAndPath); i += 2 {
		files = append(files, File{Target: targetAndPath[i], Path: targetAndPath[i+1]})
	}
	return files
}

func wantPast(t *testing.T, l FileList, spec string, files []File, only []string, want ...string) {
	t.Helper()
	l.Enter(spec, files)
	if got := l.Past(spec, files, only); !slices.Equal(got, want) {
		t.Errorf("spec %q has the past files %q, want %q", spec, got, want)
	}
	read, err := ParseFileList(l.Bytes())
	if err != nil || !maps.Equal(read, l) {
		t.Errorf("%v reads back as %v, %v", l, read, err)
	}
}

func TestFileListKnowsWhatIsNoLongerMade(t *testing.T) {
	both := made("nftables", "edge1/nftables.nft", "nftables", "edge2/nftables.nft", "template", "a note")
	l := FileList{}
	if !l.Enter("", both) || l.Enter("", both) {
		t.Error("the first run changes the list and the second does not")
	}
	one := made("nftables", "edge1/nftables.nft", "template", "a note")
	wantPast(t, l, "", one, nil, "edge2/nftables.nft")
	wantPast(t, l, "", one[:1], []string{"nftables"}, "edge2/nftables.nft")
	wantPast(t, l, "", one[1:], []string{"template"})
	wantPast(t, l, "edge", one, nil, "edge2/nftables.nft") // the spec has got a name
}

func TestFileListOfSpecsThatShareAFolder(t *testing.T) {
	l := FileList{}
	a, b := made("nftables", "a1/nft", "nftables", "a2/nft"), made("nftables", "b1/nft")
	wantPast(t, l, "a", a, nil)
	wantPast(t, l, "b", b, nil)
	wantPast(t, l, "a", a[:1], nil, "a2/nft")
	wantPast(t, l, "b", b, nil)
	// c writes what a wrote: it is a under a new name, and b is another's.
	wantPast(t, l, "c", a[:1], nil, "a2/nft")
	wantPast(t, l, "c", a[:1], nil, "a2/nft")
	wantPast(t, l, "c", a[:1], []string{"sysctl"})
}

func TestFileListIsReadWithCare(t *testing.T) {
	for text, want := range map[string]string{
		"nftables - a\r\n# b\n\nx y z z\n": "",
		"nftables -\n":                     "line 1",
		"# a\n<<<<<<< HEAD\n":              "line 2",
		"nftables - ../a\n":                "line 1",
		"nftables - /a":                    "line 1",
		"nftables - a\x1b[31m\n":           "line 1",
		"nftables - a\\b\n":                "line 1",
		"nftables - \xff\n":                "line 1",
		"nftables - .\n":                   "line 1",
	} {
		l, err := ParseFileList([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if want == "" && (len(l) != 2 || l["z z"] != listed{"x", "y"}) {
			t.Errorf("%q: %v", text, l)
		}
	}
}

// Whatever is read is written and read back alike, and no path leads out.
func FuzzParseFileList(f *testing.F) {
	f.Add([]byte(listHeader + "nftables - edge1/nftables.nft\ntemplate edge a note\n"))
	f.Add([]byte("<<<<<<< ours\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := ParseFileList(text)
		if err != nil {
			return
		}
		for path := range l {
			if !outputFile(path) {
				t.Errorf("path %q", path)
			}
		}
		if read, err := ParseFileList(l.Bytes()); err != nil || !maps.Equal(read, l) {
			t.Errorf("%v reads back as %v, %v", l, read, err)
		}
	})
}
