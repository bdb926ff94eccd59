package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/dataset"
)

func (s *Server) streamRoutes() {
	register(s, huma.Operation{
		OperationID: "getStream", Method: http.MethodGet, Path: "/models/{model}/stream", Tags: []string{"models"},
		Summary:     "The stream rows of the champion's data, which no version was trained on",
		Description: "What `perennial simulate` plays: the rows of the stream side of the snapshot that the champion was trained from, in the order of the data, without their labels.",
	}, s.getStream)
}

type streamInput struct {
	Model     string `path:"model" doc:"name of the model, which is its pipeline's"`
	Limit     int    `query:"limit" minimum:"1" maximum:"10000" default:"1000"`
	PageToken string `query:"page_token" doc:"next_page_token of the page before"`
}

// getStream reads the champion's snapshot anew for each page: it is content by
// hash, so the pages fit together for as long as the champion stays.
func (s *Server) getStream(ctx context.Context, in *streamInput) (*answer[client.List[client.StreamRow]], error) {
	const op = "api.getStream"
	from, err := strconv.Atoi("0" + in.PageToken)
	if err != nil {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "The page token is none of this list's.")
	}
	row, err := s.o.Traffic.Get(ctx, in.Model)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if row.Champion == "" {
		return nil, perennial.Errorf(perennial.CodeNotFound, op, "%s has no version in service.", in.Model).WithHint("GET /models lists what is.")
	}
	version, err := s.o.Registry.GetVersion(ctx, in.Model, row.Champion)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if version.Lineage.Imported != nil {
		return nil, perennial.Errorf(perennial.CodeNotFound, op, "Version %s of %s was imported: Perennial has no data of it to play.", row.Champion, in.Model).
			WithHint("Send rows of your own: perennial predict %s --input FILE.", in.Model)
	}
	table, rows, err := s.streamRows(ctx, in.Model, &version.Lineage)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	keys, list := table.Keys(), client.List[client.StreamRow]{Items: []client.StreamRow{}}
	for _, r := range rows[min(from, len(rows)):min(from+in.Limit, len(rows))] {
		features, err := json.Marshal(dataset.Object(table, r))
		if err != nil {
			return nil, perennial.Wrap(op, err)
		}
		list.Items = append(list.Items, client.StreamRow{Key: keys[r], Features: features})
	}
	if from+in.Limit < len(rows) {
		list.NextPageToken = strconv.Itoa(from + in.Limit)
	}
	return ok(list), nil
}

// streamRows reads a version's data and finds the rows of its stream side.
func (s *Server) streamRows(ctx context.Context, model string, l *perennial.Lineage) (*perennial.Table, []int, error) {
	spec, err := s.o.Pipelines.Revision(ctx, model, l.PipelineRevision)
	if err != nil {
		return nil, nil, err
	}
	content, err := s.o.Blobs.Get(ctx, "md5:"+l.Data.MD5)
	if err != nil {
		return nil, nil, err
	}
	table, _, err := dataset.Read(ctx, l.Data.Path, content, &spec.Schema, spec.Pipeline.Data.CSV)
	if err != nil {
		return nil, nil, err
	}
	b, err := s.o.Blobs.Get(ctx, "sha256:"+l.Data.Sides)
	if err != nil {
		return nil, nil, err
	}
	sides, err := dataset.DecodeSides(b)
	if err != nil {
		return nil, nil, err
	}
	units, err := dataset.Units(table, spec.Pipeline.Split)
	if err != nil {
		return nil, nil, err
	}
	return table, sides.Rows(units, perennial.SideStream), nil
}
