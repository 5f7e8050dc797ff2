package embeddedftpd

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"
)

// factNames are the MLST facts of RFC 3659 section 7.5 and the customary
// UNIX.mode, in the order in which they are sent.
var factNames = []string{"Type", "Size", "Modify", "Perm", "Unique", "UNIX.mode"}

// featureState is what OPTS has changed.
type featureState struct {
	// unwanted has bit i set where the client left out factNames[i].
	unwanted uint8
}

func (f featureState) facts() uint8 { return ^f.unwanted & (1<<len(factNames) - 1) }

// setFacts is OPTS MLST (RFC 3659 section 7.9): the facts the client wants
// from now on; unknown ones are passed over. It returns what is sent.
func (f *featureState) setFacts(list string) string {
	f.unwanted = 0xff
	for want := range strings.SplitSeq(list, ";") {
		for i, name := range factNames {
			if strings.EqualFold(want, name) {
				f.unwanted &^= 1 << i
			}
		}
	}
	return f.describe(func(on bool) string { return "" }, true)
}

// describe lists the facts, each with its mark and a semicolon, all of them or
// only the wanted.
func (f featureState) describe(mark func(on bool) string, wantedOnly bool) string {
	var out strings.Builder
	for i, name := range factNames {
		on := f.unwanted&(1<<i) == 0
		if on || !wantedOnly {
			out.WriteString(name + mark(on) + ";")
		}
	}
	return out.String()
}

// mlst sends the facts of one file over the control connection.
func (s *session) mlst(arg string) {
	at := s.existing(arg)
	info, err := s.login.root.Stat(rooted(at))
	if err != nil {
		info, err = s.login.root.Lstat(rooted(at))
	}
	if err != nil || !clean(arg) {
		s.fail(err)
		return
	}
	facts := appendFacts(nil, entry{name: path.Base(at), info: info}, s.features.facts(), s.rightsIn(path.Dir(at), at == "/"))
	s.reply(250, "Listing "+at, string(facts)+at, "End")
}

// appendFacts appends the wanted facts and the space before the name.
func appendFacts(buf []byte, e entry, facts uint8, may rights) []byte {
	mode := e.info.Mode()
	for i, name := range factNames {
		if facts&(1<<i) == 0 {
			continue
		}
		switch i {
		case 0:
			buf = append(append(append(buf, "Type="...), factType(e)...), ';')
		case 1:
			if mode.IsRegular() {
				buf = fmt.Appendf(buf, "Size=%d;", e.info.Size())
			}
		case 2:
			buf = append(append(append(buf, "Modify="...), formatTime(e.info.ModTime())...), ';')
		case 3:
			buf = append(append(append(buf, "Perm="...), may.perm(e.info)...), ';')
		case 4:
			if st, ok := e.info.Sys().(*syscall.Stat_t); ok {
				buf = fmt.Appendf(buf, "Unique=%xg%x;", st.Dev, st.Ino)
			}
		case 5:
			buf = fmt.Appendf(buf, "%s=0%o;", name, mode.Perm())
		}
	}
	return append(buf, ' ')
}

func factType(e entry) string {
	switch mode := e.info.Mode(); {
	case mode.IsRegular():
		return "file"
	case mode.IsDir():
		return "dir"
	case mode&fs.ModeSymlink != 0:
		// What mod_facts of ProFTPD sends and clients know.
		return "OS.unix=symlink"
	}
	return "OS.unix=special"
}
