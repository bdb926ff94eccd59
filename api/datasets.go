package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/datastore"
)

func (s *Server) datasetRoutes() {
	register(s, huma.Operation{
		OperationID: "listDatasets", Method: http.MethodGet, Path: "/datasets", Tags: []string{"datasets"},
		Summary: "The registered data sets: which content stands behind each data path",
	}, s.listDatasets)
	register(s, huma.Operation{
		OperationID: "getDataset", Method: http.MethodGet, Path: "/datasets/{path}", Tags: []string{"datasets"},
		Summary: "One registered data set",
	}, s.getDataset)
	register(s, huma.Operation{
		OperationID: "registerDataset", Method: http.MethodPut, Path: "/datasets/{path}", Tags: []string{"datasets"},
		Summary:     "Register the present content of a data path",
		Description: "For workers that have no project: they read the content by its md5 from the data store. `perennial data add` does this after pushing the content there.",
	}, s.registerDataset)
}

type datasetInput struct {
	Path string `path:"path" doc:"path within the project, as data/raw/iris.csv; its slashes may be written %2F"`
}

func (s *Server) listDatasets(ctx context.Context, _ *struct{}) (*answer[client.List[client.DatasetView]], error) {
	rows, err := s.o.Datasets.List(ctx)
	if err != nil {
		return nil, perennial.Wrap("api.listDatasets", err)
	}
	list := client.List[client.DatasetView]{Items: make([]client.DatasetView, len(rows))}
	for i := range rows {
		list.Items[i] = datasetView(&rows[i])
	}
	return ok(list), nil
}

func (s *Server) getDataset(ctx context.Context, in *datasetInput) (*answer[client.DatasetView], error) {
	d, err := s.o.Datasets.Get(ctx, in.Path)
	if err != nil {
		return nil, perennial.Wrap("api.getDataset", err)
	}
	return ok(datasetView(&d)), nil
}

type registerDatasetInput struct {
	Path string `path:"path" doc:"path within the project, as data/raw/iris.csv; its slashes may be written %2F"`
	Body client.RegisterDatasetRequest
}

func (s *Server) registerDataset(ctx context.Context, in *registerDatasetInput) (*answer[client.DatasetView], error) {
	d, err := s.o.Control.RegisterDataset(ctx, in.Path, in.Body)
	if err != nil {
		return nil, perennial.Wrap("api.registerDataset", err)
	}
	return ok(datasetView(&d)), nil
}

func datasetView(d *datastore.Dataset) client.DatasetView {
	return client.DatasetView{Path: d.Path, MD5: d.MD5, Size: d.Size, RegisteredAt: instant(d.RegisteredAt)}
}
