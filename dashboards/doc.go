// Package dashboards holds the Grafana dashboards, and tests that keep their
// queries, and those of the alerts in deploy/prometheus, honest: every metric
// they name is one that the program exports, every metric it exports is shown,
// and a real Prometheus that scrapes a running program has an answer to each.
//
// It has no code of its own and nothing imports it. Start reading at
// queries_test.go.
package dashboards
