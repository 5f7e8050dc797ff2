package spec

import (
	"fmt"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// local is one value of a locals block.
type local struct {
	name  string
	attr  *hcl.Attribute
	needs []string // other locals that it refers to
	value cty.Value
}

func (l *loader) declareLocals(raw *hcl.Block) {
	attrs, diags := raw.Body.JustAttributes()
	l.add(diags...)
	for _, name := range namesOf(attrs) {
		attr := attrs[name]
		if first, twice := l.declaredLocals[name]; twice {
			l.err(&attr.NameRange, finding.DuplicateName, fmt.Sprintf("The local value %q is already set at %s. Rename one of them.", name, place(first.attr.NameRange)))
			continue
		}
		l.declaredLocals[name] = &local{name: name, attr: attr, value: cty.DynamicVal}
	}
}

// evaluateLocals evaluates each local after those it refers to, in whatever
// order they are written. What is left when no more can be evaluated lies on
// a cycle or behind one.
func (l *loader) evaluateLocals() {
	names := namesOf(l.declaredLocals)
	users := map[string][]string{}
	waits := map[string]int{}
	var ready []string
	for _, name := range names {
		loc := l.declaredLocals[name]
		loc.needs = l.localsIn(loc.attr.Expr)
		for _, need := range loc.needs {
			users[need] = append(users[need], name)
		}
		if waits[name] = len(loc.needs); waits[name] == 0 {
			ready = append(ready, name)
		}
	}
	for len(ready) > 0 {
		name := ready[0]
		ready = ready[1:]
		l.evaluateLocal(l.declaredLocals[name])
		delete(waits, name)
		for _, user := range users[name] {
			if waits[user]--; waits[user] == 0 {
				ready = append(ready, user)
			}
		}
	}
	l.reportCycles(waits)

	values := map[string]cty.Value{}
	for _, name := range names {
		values[name] = l.declaredLocals[name].value
	}
	for name := range l.undeclaredLocals {
		values[name] = cty.DynamicVal
	}
	l.ctx.Variables["local"] = cty.ObjectVal(values)
}

// localsIn lists the declared locals that an expression refers to.
func (l *loader) localsIn(expr hcl.Expression) []string {
	found := map[string]bool{}
	for _, traversal := range expr.Variables() {
		if traversal.RootName() != "local" || len(traversal) < 2 {
			continue
		}
		if step, ok := traversal[1].(hcl.TraverseAttr); ok && l.declaredLocals[step.Name] != nil {
			found[step.Name] = true
		}
	}
	return namesOf(found)
}

func (l *loader) evaluateLocal(loc *local) {
	values := map[string]cty.Value{}
	for _, need := range loc.needs {
		values[need] = l.declaredLocals[need].value
	}
	for name := range l.undeclaredLocals {
		values[name] = cty.DynamicVal
	}
	ctx := l.ctx.NewChild()
	ctx.Variables = map[string]cty.Value{"local": cty.ObjectVal(values)}
	val, diags := loc.attr.Expr.Value(ctx)
	l.add(diags...)
	if !diags.HasErrors() {
		loc.value = val
	}
}

// reportCycles reports each cycle among the locals that could not be
// evaluated, once. From any of them, following one need after the other
// leads into a cycle.
func (l *loader) reportCycles(waiting map[string]int) {
	seen := map[string]bool{}
	for _, start := range namesOf(waiting) {
		path, onPath := []string{}, map[string]int{}
		for name := start; !seen[name]; {
			seen[name] = true
			onPath[name] = len(path)
			path = append(path, name)
			for _, need := range l.declaredLocals[name].needs {
				if _, left := waiting[need]; left {
					name = need
					break
				}
			}
			if first, closed := onPath[name]; closed {
				l.reportCycle(path[first:])
				break
			}
		}
	}
}

func (l *loader) reportCycle(names []string) {
	sort.Strings(names)
	refs := make([]string, len(names))
	for i, name := range names {
		refs[i] = "local." + name
	}
	detail := refs[0] + " refers to itself."
	if len(refs) > 1 {
		detail = strings.Join(refs, ", ") + " refer to each other."
	}
	l.err(&l.declaredLocals[names[0]].attr.NameRange, finding.ReferenceCycle, detail+" Give one of them a value of its own.")
}
