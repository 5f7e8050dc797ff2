package embeddedftpd

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// facts are those of MLST (RFC 3659 section 7.5) and UNIX.mode, in the order of
// sending.
var facts = []struct {
	name  string
	value func(fs.FileInfo, rights) string
}{
	{"Type", func(info fs.FileInfo, _ rights) string { return factType(info.Mode()) }},
	{"Size", func(info fs.FileInfo, _ rights) string { return strconv.FormatInt(info.Size(), 10) }}, // of files only
	{"Modify", func(info fs.FileInfo, _ rights) string { return formatTime(info.ModTime()) }},
	{"Perm", func(info fs.FileInfo, may rights) string { return string(may.perm(info)) }},
	{"Unique", func(info fs.FileInfo, _ rights) string {
		st := info.Sys().(*syscall.Stat_t)
		return fmt.Sprintf("%xg%x", st.Dev, st.Ino)
	}},
	{"UNIX.mode", func(info fs.FileInfo, _ rights) string { return fmt.Sprintf("0%o", info.Mode().Perm()) }},
}

// featureState is what OPTS has changed.
type featureState struct {
	// unwanted has bit i set where the client left out facts[i].
	unwanted uint8
}

// setFacts is OPTS MLST (RFC 3659 section 7.9). It returns what is sent from now on.
func (f *featureState) setFacts(list string) string {
	f.unwanted = 0xff
	for want := range strings.SplitSeq(list, ";") {
		for i, fact := range facts {
			if strings.EqualFold(want, fact.name) {
				f.unwanted &^= 1 << i
			}
		}
	}
	return f.describe(";", "")
}

// describe lists the facts: wanted ones with one mark, others with another unless
// empty.
func (f featureState) describe(wanted, unwanted string) (all string) {
	for i, fact := range facts {
		if f.wants(i) {
			all += fact.name + wanted
		} else if unwanted != "" {
			all += fact.name + unwanted
		}
	}
	return all
}

func (f featureState) wants(i int) bool { return f.unwanted&(1<<i) == 0 }

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
	line := appendFacts(nil, entry{name: path.Base(at), info: info}, s.features, s.rightsIn(path.Dir(at), at == "/"))
	s.reply(250, "Listing "+at, string(line)+at, "End")
}

// appendFacts appends the wanted facts and the space before the name.
func appendFacts(buf []byte, e entry, features featureState, may rights) []byte {
	for i, fact := range facts {
		if features.wants(i) && (fact.name != "Size" || e.info.Mode().IsRegular()) {
			buf = append(append(append(append(buf, fact.name...), '='), fact.value(e.info, may)...), ';')
		}
	}
	return append(buf, ' ')
}

func factType(mode fs.FileMode) string {
	switch {
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
