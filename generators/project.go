package generators

import (
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Project is a spec with its plan and the targets it asks for, checked.
type Project struct {
	Spec  *spec.Spec
	Plan  *plan.Plan
	Lock  *plan.Lock  // as it is to be written beside the spec
	Moves []plan.Move // against the lock that lay there

	targets []target
}
