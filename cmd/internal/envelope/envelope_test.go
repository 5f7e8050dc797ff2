package envelope

import (
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{map[string]any{"a": "<&>"}, "{\n  \"version\": 1,\n  \"command\": \"plan\",\n  \"a\": \"<&>\"\n}\n"},
		{struct{}{}, "{\n  \"version\": 1,\n  \"command\": \"plan\"\n}\n"},
		{[]int{1}, ""},
		{func() {}, ""},
	} {
		var got strings.Builder
		err := Write(&got, "plan", c.v)
		if got.String() != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%v: %q, %v", c.v, got.String(), err)
		}
	}
}
