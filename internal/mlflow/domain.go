package mlflow

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/perennial-ml/perennial"
)

// wireTags turns tags or params into MLflow's: the last value of each key, without
// empty ones, cut after so many characters.
func wireTags(tags []perennial.Tag, most int) []Tag {
	at := make(map[string]int, len(tags))
	out := make([]Tag, 0, len(tags))
	for _, t := range tags {
		w := Tag{Key: t.Key, Value: Truncate(t.Value, most)}
		if i, twice := at[t.Key]; twice {
			out[i] = w
			continue
		}
		at[t.Key] = len(out)
		out = append(out, w)
	}
	return slices.DeleteFunc(out, func(t Tag) bool { return t.Value == "" })
}

func domainTags(tags []Tag) []perennial.Tag {
	if len(tags) == 0 {
		return nil
	}
	out := slices.Clone(tags)
	slices.SortStableFunc(out, func(a, b perennial.Tag) int { return strings.Compare(a.Key, b.Key) })
	return out
}

func tagValue(tags []Tag, key string) string {
	i := slices.IndexFunc(tags, func(t Tag) bool { return t.Key == key })
	if i < 0 {
		return ""
	}
	return tags[i].Value
}

// domainRun turns a run into ours.
func domainRun(r *Run) perennial.Run {
	out := perennial.Run{
		ID: r.Info.RunID, ExperimentID: r.Info.ExperimentID, Name: r.Info.RunName, User: r.Info.UserID,
		Status: perennial.RunStatus(r.Info.Status), StartedAt: int64(r.Info.StartTime), ArtifactURI: r.Info.ArtifactURI, LifecycleStage: r.Info.LifecycleStage,
		Params: domainTags(r.Data.Params), Tags: domainTags(r.Data.Tags),
	}
	if r.Info.EndTime != nil {
		out.EndedAt = int64(*r.Info.EndTime)
	}
	for _, m := range r.Data.Metrics {
		out.Metrics = append(out.Metrics, perennial.Metric{Key: m.Key, Value: float64(m.Value), Timestamp: int64(m.Timestamp), Step: int64(m.Step)})
	}
	slices.SortStableFunc(out.Metrics, func(a, b perennial.Metric) int { return strings.Compare(a.Key, b.Key) })
	for _, in := range r.Inputs.DatasetInputs {
		out.Inputs = append(out.Inputs, domainInput(in))
	}
	return out
}

// tagData is the tag of a data set's input that keeps all that is known of it, as
// JSON of a perennial.DataRef. It belongs to the input, not to the data set's
// profile: one data set may be read by several schemas and splits.
const tagData = "perennial.data"

// wireInput turns a data set that a run read into MLflow's: its name is the path,
// its digest the md5 over the whole content.
func wireInput(in perennial.DatasetInput, schema *perennial.Schema) (DatasetInput, error) {
	ref := in.Data
	data, err := json.Marshal(ref)
	if err == nil && utf8.RuneCount(data) > MaxInputTag { // a path of some 100 characters, which is the name too
		ref.Path = ""
		data, err = json.Marshal(ref)
	}
	if err != nil {
		return DatasetInput{}, err
	}
	source, err := json.Marshal(map[string]string{"uri": in.Data.Path})
	if err != nil {
		return DatasetInput{}, err
	}
	set := Dataset{Name: in.Data.Path, Digest: in.Data.MD5, SourceType: "local", Source: string(source)}
	profile := map[string]any{"num_rows": in.Data.Rows, "size_bytes": in.Data.Size}
	if schema != nil {
		specs := columnSpecs(schema.Columns)
		profile["num_elements"] = in.Data.Rows * len(specs)
		b, err := json.Marshal(map[string]any{"mlflow_colspec": specs})
		if err != nil {
			return DatasetInput{}, err
		}
		set.Schema = string(b)
	}
	b, err := json.Marshal(profile)
	set.Profile = string(b)
	return DatasetInput{Dataset: set, Tags: []Tag{{Key: TagDataContext, Value: in.Context}, {Key: tagData, Value: string(data)}}}, err
}

// domainInput is the way back. Of a data set that somebody else logged only name,
// digest and rows are known.
func domainInput(in DatasetInput) perennial.DatasetInput {
	out := perennial.DatasetInput{Context: tagValue(in.Tags, TagDataContext)}
	if json.Unmarshal([]byte(tagValue(in.Tags, tagData)), &out.Data) != nil {
		var profile struct {
			Rows int `json:"num_rows"`
		}
		_ = json.Unmarshal([]byte(in.Dataset.Profile), &profile) // somebody else's: what can't be read isn't known
		out.Data = perennial.DataRef{Rows: profile.Rows}
	}
	out.Data.Path, out.Data.MD5 = in.Dataset.Name, in.Dataset.Digest
	return out
}

// columnSpec is a column as MLflow's schemas write it.
type columnSpec struct {
	Type     string `json:"type"`
	Name     string `json:"name"`
	Required bool   `json:"required"`
}

// columnSpecs are the columns that are read, in their order.
func columnSpecs(columns []perennial.Column) []columnSpec {
	types := map[perennial.ColumnType]string{
		perennial.TypeNumeric: "double", perennial.TypeInteger: "long", perennial.TypeBoolean: "boolean",
		perennial.TypeCategorical: "string", perennial.TypeDate: "string", // as text, in the column's own format
	}
	out := []columnSpec{}
	for _, c := range columns {
		if c.Role == perennial.RoleIgnore {
			continue
		}
		kind, known := types[c.Type]
		if !known {
			kind = "string" // an id
		}
		out = append(out, columnSpec{Type: kind, Name: c.Name, Required: !c.Nullable})
	}
	return out
}
