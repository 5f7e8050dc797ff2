package pipelines

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
)

// lint reads workflows and, with shellcheck, their scripts.
func lint(t *testing.T, project, path, text string) []string {
	t.Helper()
	check, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Fatal(err)
	}
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{Shellcheck: check})
	if err != nil {
		t.Fatal(err)
	}
	p, err := actionlint.NewProject(project)
	if err != nil {
		t.Fatal(err)
	}
	errs, err := linter.Lint(path, []byte(text), p)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range errs {
		found = append(found, e.Error())
	}
	return found
}

func TestActionlint(t *testing.T) {
	r := withoutSpec(t)
	at := filepath.Join(r.dir, ".github/workflows/pasvctl.yml")
	workflow, action := r.read(".github/workflows/pasvctl.yml"), r.read("ci/pasvctl/action.yml")
	if found := lint(t, r.dir, at, workflow); len(found) > 0 {
		t.Error(found)
	}
	if found := lint(t, r.dir, filepath.Join(r.dir, ".github/workflows/action.yml"), asWorkflow(t, action)); len(found) > 0 {
		t.Error(found)
	}
	// It sees what is wrong in each place.
	for what, text := range map[string]string{
		`input "specs" is not defined`:             strings.Replace(workflow, "spec: ftp", "specs: ftp", 1),
		`missing input "output"`:                   strings.Replace(workflow, "output: ftp sites/out", "", 1),
		"undefined variable \"input\"":             asWorkflow(t, strings.Replace(action, "inputs.spec", "input.spec", 1)),
		"shellcheck reported issue":                asWorkflow(t, strings.Replace(action, `sh "$GITHUB_ACTION_PATH/review.sh"`, "sh $GITHUB_ACTION_PATH/review.sh", 1)),
		"potentially untrusted":                    asWorkflow(t, strings.Replace(action, `sh "$GITHUB`, `echo "${{ github.head_ref }}" "$GITHUB`, 1)),
		`unknown permission scope "pull_requests"`: strings.Replace(workflow, "pull-requests: write", "pull_requests: write", 1),
	} {
		if found := lint(t, r.dir, at, text); !strings.Contains(fmt.Sprint(found), what) {
			t.Errorf("%s: %s", what, found)
		}
	}
}

// TestWorkflowHandsOutLittle checks what actionlint has no rule for.
func TestWorkflowHandsOutLittle(t *testing.T) {
	text := readFile(t, examples+"/github-workflow.yml")
	w, errs := actionlint.Parse([]byte(text))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, event := range w.On {
		if !slices.Contains([]string{"pull_request", "push"}, event.EventName()) {
			t.Errorf("the workflow runs on %s", event.EventName())
		}
	}
	if w.Permissions == nil || w.Permissions.All != nil || len(w.Permissions.Scopes) > 0 {
		t.Error("the workflow's jobs have permissions by default")
	}
	for _, job := range w.Jobs {
		got := map[string]string{}
		for name, scope := range job.Permissions.Scopes {
			got[name] = scope.Value.Value
		}
		if want := (map[string]string{"contents": "read", "pull-requests": "write"}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the job's permissions are %v", got)
		}
		for _, step := range job.Steps {
			uses := step.Exec.(*actionlint.ExecAction)
			if !strings.HasPrefix(uses.Uses.Value, "./") && !regexp.MustCompile(`@[0-9a-f]{40}$`).MatchString(uses.Uses.Value) {
				t.Errorf("%s is not pinned to a commit", uses.Uses.Value)
			}
			if strings.HasPrefix(uses.Uses.Value, "actions/checkout@") &&
				(uses.Inputs["fetch-depth"].Value.Value != "0" || uses.Inputs["persist-credentials"].Value.Value != "false") {
				t.Error("the clone is shallow, or keeps the token")
			}
		}
	}
	for _, step := range steps(t, readFile(t, examples+"/action.yml")) {
		if run := step.Exec.(*actionlint.ExecRun); run.Run.ContainsExpression() {
			t.Errorf("a script has an expression: %s", run.Run.Value)
		}
	}
}

func TestShellcheck(t *testing.T) {
	out, err := exec.Command("shellcheck", "--severity=style", examples+"/review.sh").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
