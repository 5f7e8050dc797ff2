package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/cmd/internal/atomicfile"
	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/presence"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Applied is a set of rules that was put into force.
type Applied struct {
	Host  string       `json:"host"`
	Spec  string       `json:"spec"` // what it calls itself
	Path  string       `json:"path,omitempty"`
	Rules kernel.Rules `json:"rules"`
	// Match is what the rules match by, which the machine may lack.
	Match presence.Host `json:"match,omitzero"`
	// Reserve are the ranges that ip_local_reserved_ports must hold for them.
	Reserve []spec.PortRange `json:"reserve,omitempty"`
	// Added are the ports of Reserve that were not there before, and that go
	// when these rules go.
	Added []spec.PortRange `json:"added,omitempty"`
	// Ranges are the data ports of each site.
	Ranges map[string]spec.PortRange `json:"ranges,omitempty"`
	// Control are their control ports.
	Control map[string]int `json:"control,omitempty"`
	// Drain: these rules keep older ports open for a while; nil if none are.
	Drain *Drain `json:"drain,omitempty"`
}

// Drain is the end of rules that keep older data ports open: what comes after
// them, and when.
type Drain struct {
	ID    string                      `json:"id"`
	Old   map[string][]spec.PortRange `json:"old"` // older data ports of each site
	For   time.Duration               `json:"for"` // at most, from when the rules are final
	Until time.Time                   `json:"until,omitzero"`
	// Rules and Reserve are those without the older ports.
	Rules   kernel.Rules     `json:"rules"`
	Reserve []spec.PortRange `json:"reserve,omitempty"`
}

// drained is a as it is when its older ports are closed.
func (a *Applied) drained() *Applied {
	if a == nil || a.Drain == nil {
		return a
	}
	after := *a
	after.Rules, after.Reserve, after.Drain = a.Drain.Rules, a.Drain.Reserve, nil
	return &after
}

// Pending is a change that is under way, or that waits to be confirmed.
type Pending struct {
	ID   string  `json:"id"`
	Next Applied `json:"next"`
	// Deadline is when the change is taken back unless it has been confirmed;
	// zero if no confirmation was asked for.
	Deadline time.Time `json:"deadline,omitzero"`
	Loaded   bool      `json:"loaded"` // the kernel has the whole of it
	// Was is what was under our names before, loaded by apply or not.
	Was *Standing `json:"was,omitempty"`
	// Boot is that in which the change began.
	Boot string `json:"boot,omitempty"`
	// Drained: Next is Current without its older ports, and no change of its
	// own to be rolled back to.
	Drained bool `json:"drained,omitempty"`
}

// Standing is what stood under our names at a time, in the backends that a
// change concerned.
type Standing struct {
	At        time.Time         `json:"at"`
	Snapshots []kernel.Snapshot `json:"snapshots"`
}

// State is what is known of this machine's rules.
type State struct {
	Version  int      `json:"version"`
	Current  *Applied `json:"current,omitempty"`
	Previous *Applied `json:"previous,omitempty"`
	// Before is what was there before Current, with Previous if apply had
	// loaded that; nil if the state was written by a pasvctl that kept none.
	Before  *Standing `json:"before,omitempty"`
	Pending *Pending  `json:"pending,omitempty"`
	// Boot is that in which Current was put into force.
	Boot string `json:"boot,omitempty"`
	// Whole is the generation of the kernel's rules in which Current was last
	// found to be whole.
	Whole string `json:"whole,omitempty"`
	// TakenBack is when the last change was taken back because it was not confirmed.
	TakenBack time.Time `json:"taken_back,omitzero"`
}

const (
	// DefaultFolder is the folder of the state.
	DefaultFolder = "/var/lib/pasvctl"
	stateFile     = "state.json"
	lockFile      = "lock"
	stateVersion  = 1
	// maxState bounds the state file: the rules of thousands of sites, twice.
	maxState = 256 << 20
)

// store is the folder of the state, locked against a second pasvctl.
type store struct {
	root *os.Root
	lock *os.File
}

// ErrLocked means that another pasvctl is changing the rules.
var ErrLocked = errors.New("another pasvctl is changing the rules of this machine")

// open locks the state's folder. With wait it waits for the lock; else a lock
// that is taken is ErrLocked. The kernel releases the lock of a process that
// dies.
func open(folder string, wait bool) (*store, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	lock, err := root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot lock the state of the rules in %s: %w", folder, err), root.Close())
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	if err := unix.Flock(int(lock.Fd()), how); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, errors.Join(err, lock.Close(), root.Close())
	}
	return &store{root: root, lock: lock}, nil
}

// open locks the state and reads it.
func (m *Machine) open(wait bool) (*store, State, error) {
	s, err := open(m.Folder, wait)
	if err != nil {
		return nil, State{}, err
	}
	st, err := s.read()
	if err != nil {
		s.close()
	}
	return s, st, err
}

func (s *store) close() {
	// A child that is being started may hold a copy of the descriptor for a
	// moment: closing ours alone would not release the lock then.
	_ = unix.Flock(int(s.lock.Fd()), unix.LOCK_UN)
	s.lock.Close()
	s.root.Close()
}

// DamagedError means that the state file cannot be read.
type DamagedError struct {
	File string
	Err  error
}

func (e *DamagedError) Error() string { return fmt.Sprintf("%s is damaged: %v", e.File, e.Err) }

func (e *DamagedError) Unwrap() error { return e.Err }

// Remedy says what to do.
func (e *DamagedError) Remedy() string {
	return "restore it, or run pasvctl apply --remove, which also forgets it, and apply again"
}

// read returns the state; the zero State if nothing was ever applied.
func (s *store) read() (State, error) {
	info, err := s.root.Stat(stateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return State{Version: stateVersion}, nil
	}
	if err == nil && info.Size() > maxState {
		err = fmt.Errorf("%s is larger than %d bytes", stateFile, maxState)
	}
	if err != nil {
		return State{}, err
	}
	text, err := s.root.ReadFile(stateFile)
	if err != nil {
		return State{}, err
	}
	var st State
	if err := json.Unmarshal(text, &st); err != nil {
		return State{}, &DamagedError{filepath.Join(s.root.Name(), stateFile), err}
	}
	if st.Version != stateVersion {
		return State{}, fmt.Errorf("%s is of version %d; this pasvctl reads version %d", stateFile, st.Version, stateVersion)
	}
	return st, nil
}

func (s *store) write(st State) error {
	text, err := json.MarshalIndent(st, "", " ")
	if err == nil && len(text) > maxState {
		err = fmt.Errorf("the state of these rules is larger than %d bytes", maxState)
	}
	if err != nil {
		return err
	}
	staged, err := atomicfile.Stage(s.root, stateFile, text, 0o600)
	if err != nil {
		return err
	}
	return staged.Commit()
}

func (s *store) forget() error {
	err := s.root.Remove(stateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
