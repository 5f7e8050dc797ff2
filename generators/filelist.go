package generators

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ListFile is the name of a FileList in the output folder.
const ListFile = ".pasvctl-files"

// FileList says by path which files of an output folder pasvctl has written:
// it is how a later run knows those that are no longer made, whatever their
// format. Several specs may share a folder if they have names.
type FileList map[string]listed

// listed is what is known of a file: who wrote it.
type listed struct {
	target string // its kind
	spec   string // its name; "" if it has none
}

const (
	listHeader = "# What pasvctl generate wrote into this folder: TARGET SPEC PATH. Keep this list\n" +
		"# with the files; from it pasvctl knows those that a spec no longer makes.\n"
	noSpec = "-"
)

// ParseFileList reads what Bytes has written. The error names the line.
func ParseFileList(text []byte) (FileList, error) {
	list := FileList{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		row := strings.TrimRight(string(line), "\r\n")
		if row == "" || strings.HasPrefix(row, "#") {
			continue
		}
		fields := strings.SplitN(row, " ", 3)
		if len(fields) < 3 || !outputFile(fields[2]) {
			return nil, fmt.Errorf("line %d is not a target, a spec and a path", number)
		}
		if fields[1] == noSpec {
			fields[1] = ""
		}
		list[fields[2]] = listed{target: fields[0], spec: fields[1]}
	}
	return list, nil
}

// outputFile reports whether path names a file in the output folder, on every
// system and on one line.
func outputFile(path string) bool {
	return fs.ValidPath(path) && path != "." && utf8.ValidString(path) &&
		!strings.ContainsFunc(path, func(r rune) bool { return r == '\\' || !unicode.IsPrint(r) })
}

// Bytes writes the list, sorted by path.
func (l FileList) Bytes() []byte {
	text := []byte(listHeader)
	for _, path := range slices.Sorted(maps.Keys(l)) {
		name := l[path].spec
		if name == "" {
			name = noSpec
		}
		text = fmt.Appendf(text, "%s %s %s\n", l[path].target, name, path)
	}
	return text
}

// Enter records the files that the spec of this name makes, and reports
// whether that says anything new. A spec that takes another's file has taken
// its place, as after a change of name: what else the other wrote has no spec
// from then on, and Past has it.
func (l FileList) Enter(spec string, files []File) (changed bool) {
	replaced := map[string]bool{}
	for _, f := range files {
		now := listed{target: f.Target, spec: spec}
		was, there := l[f.Path]
		if there && was.spec != spec {
			replaced[was.spec] = true
		}
		changed = changed || was != now
		l[f.Path] = now
	}
	for path, was := range l {
		if was.spec != spec && replaced[was.spec] {
			l[path] = listed{target: was.target}
		}
	}
	return changed
}

// Past are the paths, sorted, that the spec of this name, or none that is known, wrote and
// that are not among files: those of the kinds of targets named, or of all.
func (l FileList) Past(spec string, files []File, only []string) []string {
	made := make(map[string]bool, len(files))
	for _, f := range files {
		made[f.Path] = true
	}
	var past []string
	for _, path := range slices.Sorted(maps.Keys(l)) {
		e := l[path]
		if !made[path] && (e.spec == spec || e.spec == "") && (len(only) == 0 || slices.Contains(only, e.target)) {
			past = append(past, path)
		}
	}
	return past
}
