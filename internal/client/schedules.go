package client

import (
	"context"
	"net/http"
	"time"
)

// ScheduleView is one pipeline's schedule as it stands.
type ScheduleView struct {
	Pipeline   string       `json:"pipeline"`
	ScheduleID string       `json:"schedule_id"`
	State      string       `json:"state" enum:"active,paused,removed,none"`
	Cron       string       `json:"cron,omitempty"` // "" where there is none, or where it was set with Temporal's tools
	Timezone   string       `json:"timezone,omitempty"`
	Jitter     string       `json:"jitter,omitempty"` // Go's duration
	Note       string       `json:"note,omitempty"`   // Temporal's
	Source     string       `json:"source,omitempty"` // file | operator: an operator's change stays until the file changes
	File       ScheduleFile `json:"file"`
	Next       []time.Time  `json:"next"` // at most 3
	Last       *ScheduleRun `json:"last,omitempty"`
	Running    []string     `json:"running"` // workflow ids
	ChangedBy  string       `json:"changed_by,omitempty"`
	Reason     string       `json:"reason,omitempty"`
	ChangedAt  *time.Time   `json:"changed_at,omitempty"`
}

// ScheduleFile is what the pipeline file says.
type ScheduleFile struct {
	Cron     string `json:"cron"` // "": never
	Timezone string `json:"timezone"`
}

// ScheduleRun is the latest start by a schedule.
type ScheduleRun struct {
	WorkflowID string    `json:"workflow_id"`
	At         time.Time `json:"at"`
}

// ScheduleRequest is the body of PUT /schedules/{p}. What is left out stays.
type ScheduleRequest struct {
	Cron     string `json:"cron,omitempty" maxLength:"200" doc:"Five cron fields, or a shorthand like @daily or @every 6h."`
	Timezone string `json:"timezone,omitempty" maxLength:"100" doc:"As UTC or Europe/Vienna."`
	Jitter   string `json:"jitter,omitempty" maxLength:"20" doc:"A start is put off by a random time up to this, as 30s."`
	Paused   *bool  `json:"paused,omitempty" doc:"true pauses, false resumes."`
	Reset    bool   `json:"reset,omitempty" doc:"Back to what the pipeline file says; only a reason may be given with it."`
	Reason   string `json:"reason,omitempty" maxLength:"1000" pattern:"^[^\\x00]*$" patternDescription:"text without NUL characters" doc:"Why; kept with the schedule."`
}

// Schedules lists the schedules of all pipelines.
func (c *Client) Schedules(ctx context.Context) (List[ScheduleView], error) {
	return get[List[ScheduleView]](ctx, c, "/schedules", nil)
}

// Schedule gives one pipeline's schedule.
func (c *Client) Schedule(ctx context.Context, pipeline string) (ScheduleView, error) {
	return get[ScheduleView](ctx, c, segments("schedules", pipeline), nil)
}

// SetSchedule changes a pipeline's schedule until its file changes.
func (c *Client) SetSchedule(ctx context.Context, pipeline string, req ScheduleRequest) (ScheduleView, error) {
	var out ScheduleView
	err := c.call(ctx, http.MethodPut, segments("schedules", pipeline), nil, req, &out)
	return out, err
}

// RemoveSchedule removes a pipeline's schedule until its file changes.
func (c *Client) RemoveSchedule(ctx context.Context, pipeline, reason string) (ScheduleView, error) {
	var out ScheduleView
	err := c.call(ctx, http.MethodDelete, segments("schedules", pipeline), nil, ReasonRequest{Reason: reason}, &out)
	return out, err
}
