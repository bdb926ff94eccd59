package activities

import (
	"fmt"
	"strconv"

	"github.com/perennial-ml/perennial"
)

// classes looks which of the classes that the schema lists occur. One alone is an
// error of code invalid: whatever is trained on it answers nothing else. Those that
// don't occur are told of. A target that lists none is looked at when a model is
// fitted.
func classes(t *perennial.Table) (told []string, err error) {
	target, ok := t.Schema.Target()
	if !ok || target.Type != perennial.TypeCategorical || len(target.Values) == 0 {
		return nil, nil
	}
	rows := map[string]int{}
	for i, c := range t.Schema.Columns {
		if c.Role == perennial.RoleTarget {
			for _, code := range t.Columns[i].Codes {
				if code >= 0 {
					rows[t.Columns[i].Dict[code]]++
				}
			}
		}
	}
	for _, class := range target.Values {
		switch rows[class] {
		case 0:
			told = append(told, fmt.Sprintf("No row has the class %s of %s.", strconv.Quote(class), target.Name))
		case t.Rows:
			return nil, perennial.Errorf(perennial.CodeInvalid, "classes", "every row has the class %s in the target %s: the data has a single class, and there is nothing to tell apart", strconv.Quote(class), target.Name).
				WithHint("Add rows of the other classes that the schema lists.")
		}
	}
	return told, nil
}
