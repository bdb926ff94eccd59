package tracking

import "fmt"

// filterGrammar is one that has everything.
var filterGrammar = &grammar{
	entity: "run",
	prefixes: map[string]kind{
		"attribute": kindAttribute, "metrics": kindMetric, "metric": kindMetric, "params": kindParam, "tags": kindTag, "dataset": kindDataset,
	},
	attributes: map[string]attribute{
		"run_id": {column: "run_id", in: true}, "run_name": {column: "name"}, "run name": {column: "name"},
		"start_time": {column: "start_time", numeric: true},
		"end_time":   {column: "end_time", numeric: true, noFind: true},
		"user_id":    {column: "user_id", noOrder: true},
	},
	datasets: []string{"name"},
	valid:    []string{"run_id", "run_name", "start_time"},
}

// ParseFilter gives a filter's conditions, one line each.
func ParseFilter(filter string) ([]string, error) {
	conditions, err := filterGrammar.parse(filter)
	var lines []string
	for _, c := range conditions {
		value := fmt.Sprintf("%q", c.text)
		switch {
		case c.op == opNull || c.op == opNotNull:
			value = ""
		case c.list != nil:
			value = fmt.Sprintf("%q", c.list)
		case filterGrammar.numeric(c):
			value = fmt.Sprint(c.number)
		}
		lines = append(lines, fmt.Sprintf("%s %q %s %s", c.kind, c.key, c.op, value))
	}
	return lines, err
}

// ParseOrder gives an order's terms, one line each.
func ParseOrder(list ...string) ([]string, error) {
	terms, err := filterGrammar.order(list)
	var lines []string
	for _, t := range terms {
		lines = append(lines, fmt.Sprintf("%s %q %v", t.kind, t.key, t.descending))
	}
	return lines, err
}
