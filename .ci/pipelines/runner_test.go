package pipelines

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v4"
)

// job is one run of the workflow's job on GitHub.
type job struct {
	*testing.T
	repository        // the clone that it runs in
	base       string // commit of a pull request's event; empty: a push
	token      string
	forge      *forge
	change     func(inputs map[string]string) // what the workflow passes
	env        []string
}

// result is what a job leaves.
type result struct {
	code     int
	log      string
	commands []command // that the runner has carried out
	summary  string
}

// command is a workflow command ("Workflow commands for GitHub Actions").
type command struct {
	name, message string
	properties    map[string]string
}

// merged is what actions/checkout gives a pull request's job: main with the
// branch merged into it.
func (r repository) merged(branch string) repository {
	r.Helper()
	c := r.clone("main")
	c.git("merge", "-q", "--no-ff", "-m", "merge "+branch, "origin/"+branch)
	return c
}

// run runs the steps of the action that the workflow names, as the runner does.
func (j job) run() (done result) {
	j.Helper()
	work, temporary := j.TempDir(), j.TempDir()
	workflow, errs := actionlint.Parse([]byte(j.read(".github/workflows/pasvctl.yml")))
	if len(errs) > 0 {
		j.Fatal(errs)
	}
	github := map[string]any{"token": j.token, "event": map[string]any{}}
	if j.base != "" {
		github["event"] = map[string]any{"pull_request": map[string]any{"number": "7", "base": map[string]any{"sha": j.base}}}
	}
	uses := called(j.T, workflow)
	at := filepath.Join(j.dir, uses.Uses.Value)
	text := readFile(j.T, filepath.Join(at, "action.yml"))
	inputs := defaults(j.T, text, github)
	for name, input := range uses.Inputs {
		inputs[name] = evaluate(j.T, input.Value.Value, map[string]any{"github": github})
	}
	inputs["archive"], inputs["sha256"] = j.forge.URL+"/pasvctl-linux.tar.gz", checksum
	if j.change != nil {
		j.change(inputs)
	}
	contexts := map[string]any{"github": github, "inputs": inputs}
	env := environment(j.T, append(j.env, "CI=true", "GITHUB_ACTIONS=true", "GITHUB_WORKSPACE="+j.dir, "GITHUB_ACTION_PATH="+at,
		"GITHUB_API_URL="+j.forge.URL, "GITHUB_REPOSITORY=acme/ftp", "GITHUB_STEP_SUMMARY="+work+"/summary", "RUNNER_TEMP="+work, "TMPDIR="+temporary)...)
	for i, step := range steps(j.T, text) {
		own := slices.Clone(env)
		for _, v := range step.Env.Vars {
			own = append(own, v.Name.Value+"="+evaluate(j.T, v.Value.Value, contexts))
		}
		script := filepath.Join(work, fmt.Sprint("step", i))
		run := step.Exec.(*actionlint.ExecRun)
		if err := os.WriteFile(script, []byte(evaluate(j.T, run.Run.Value, contexts)), 0o644); err != nil {
			j.Fatal(err)
		}
		shell := map[string][]string{"sh": {"sh", "-e"}, "bash": {"bash", "--noprofile", "--norc", "-eo", "pipefail"}}[run.Shell.Value]
		if shell == nil || step.If != nil {
			j.Fatalf("the runner of this test cannot run step %d", i)
		}
		c := exec.CommandContext(j.Context(), shell[0], append(shell[1:], script)...)
		c.Dir, c.Env = j.dir, own
		var stdout, stderr bytes.Buffer
		c.Stdout, c.Stderr = &stdout, &stderr
		if err := c.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			j.Fatal(err)
		}
		// The streams come in no fixed order: at worst all of stderr comes first.
		done.log += stderr.String() + stdout.String()
		done.commands = append(done.commands, obey(stderr.String()+"\n"+stdout.String())...)
		if done.code = c.ProcessState.ExitCode(); done.code != 0 {
			break
		}
	}
	if j.base != "" {
		summary, _ := os.ReadFile(work + "/summary")
		done.summary = string(summary)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		j.Errorf("left in the folder for temporary files: %v %v", left, err)
	}
	return done
}

// called is the workflow's step that uses the action.
func called(t *testing.T, w *actionlint.Workflow) *actionlint.ExecAction {
	t.Helper()
	for _, job := range w.Jobs {
		for _, step := range job.Steps {
			if uses, ok := step.Exec.(*actionlint.ExecAction); ok && strings.HasPrefix(uses.Uses.Value, "./") {
				return uses
			}
		}
	}
	t.Fatal("no step uses an action of the repository")
	return nil
}

// defaults are the values of the inputs that the workflow leaves out.
func defaults(t *testing.T, action string, github map[string]any) map[string]string {
	t.Helper()
	var about struct {
		Inputs map[string]struct{ Default string }
	}
	if err := yaml.Unmarshal([]byte(action), &about); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for name, input := range about.Inputs {
		values[name] = evaluate(t, input.Default, map[string]any{"github": github})
	}
	return values
}

// asWorkflow is a workflow with a composite action's inputs and steps, as
// actionlint reads workflows only.
func asWorkflow(t *testing.T, action string) string {
	t.Helper()
	var about struct {
		Inputs map[string]map[string]any
		Runs   struct {
			Using string
			Steps []any
		}
	}
	if err := yaml.Unmarshal([]byte(action), &about); err != nil || about.Runs.Using != "composite" {
		t.Fatal(err, about.Runs.Using)
	}
	for _, input := range about.Inputs {
		input["type"] = "string"
		delete(input, "default") // which may have contexts that a workflow's may not
	}
	text, err := yaml.Marshal(map[string]any{
		"on":   map[string]any{"workflow_call": map[string]any{"inputs": about.Inputs}},
		"jobs": map[string]any{"action": map[string]any{"runs-on": "ubuntu-24.04", "steps": about.Runs.Steps}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func steps(t *testing.T, action string) []*actionlint.Step {
	t.Helper()
	w, errs := actionlint.Parse([]byte(asWorkflow(t, action)))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return w.Jobs["action"].Steps
}

var expression = regexp.MustCompile(`\$\{\{(.*?\}\})`)

// evaluate puts the values of contexts for a text's expressions, which are names
// only: no others are in the action.
func evaluate(t *testing.T, text string, contexts map[string]any) string {
	t.Helper()
	return expression.ReplaceAllStringFunc(text, func(found string) string {
		node, err := actionlint.NewExprParser().Parse(actionlint.NewExprLexer(strings.TrimPrefix(found, "${{")))
		if err != nil {
			t.Fatalf("%s: %v", found, err)
		}
		value := lookup(t, node, contexts)
		if value == nil {
			return ""
		}
		return fmt.Sprint(value)
	})
}

func lookup(t *testing.T, node actionlint.ExprNode, contexts map[string]any) any {
	t.Helper()
	switch n := node.(type) {
	case *actionlint.VariableNode:
		return contexts[n.Name]
	case *actionlint.ObjectDerefNode:
		switch of := lookup(t, n.Receiver, contexts).(type) {
		case map[string]any:
			return of[n.Property]
		case map[string]string:
			return of[n.Property]
		case nil:
			return nil
		}
	}
	t.Fatalf("the runner of this test cannot evaluate %T", node)
	return nil
}

// registered are the runner's commands. It still knows an older form of them,
// ##[NAME]MESSAGE, anywhere in a line.
var (
	registered = []string{"add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice",
		"remove-matcher", "save-state", "set-env", "set-output", "stop-commands", "warning"}
	newer   = regexp.MustCompile(`^\s*::([^ :]+)(?: (.*?))?::(.*)$`)
	older   = regexp.MustCompile(`##\[([^ \]]+)(?: ([^\]]*))?\](.*)$`)
	escapes = strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%")
)

// obey finds the commands in a log that the runner carries out.
func obey(log string) (done []command) {
	stopped := ""
	for line := range strings.FieldsFuncSeq(log, func(r rune) bool { return r == '\n' || r == '\r' }) {
		found := newer.FindStringSubmatch(line)
		if found == nil {
			found = older.FindStringSubmatch(line)
		}
		switch {
		case found == nil:
		case stopped != "":
			if found[1] == stopped {
				stopped = ""
			}
		case found[1] == "stop-commands":
			stopped = found[3]
		case slices.Contains(registered, found[1]):
			c := command{found[1], escapes.Replace(found[3]), map[string]string{}}
			for property := range strings.SplitSeq(found[2], ",") {
				name, value, _ := strings.Cut(property, "=")
				c.properties[name] = escapes.Replace(value)
			}
			done = append(done, c)
		}
	}
	return done
}

func (c command) String() string {
	var properties []string
	for _, name := range slices.Sorted(maps.Keys(c.properties)) {
		properties = append(properties, name+"="+c.properties[name])
	}
	return fmt.Sprintf("%s (%s) %s", c.name, strings.Join(properties, ", "), c.message)
}
