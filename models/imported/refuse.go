package imported

import (
	"bytes"
	"encoding/json"
	"regexp"

	"github.com/perennial-ml/perennial"
)

// How to save a model so that it can be imported, for hints.
const (
	saveLightGBM = "LightGBM: booster = getattr(model, \"booster_\", model); booster.save_model(\"model.txt\")"
	saveXGBoost  = "XGBoost: booster = model.get_booster() if hasattr(model, \"get_booster\") else model; booster.save_model(\"model.json\")"
	saveEither   = "In Python, where the model is loaded. " + saveLightGBM + ". " + saveXGBoost + ". Then import that file."
	retrain      = "Perennial imports LightGBM's text files and XGBoost's JSON. Train the same data with one of Perennial's own algorithms (perennial pipeline init), or with LightGBM or XGBoost."
)

// foreign are the first bytes of files that are refused.
var foreign = []struct{ start, what, hint string }{
	{"\x80\x02", pickle, saveEither},
	{"\x80\x03", pickle, saveEither},
	{"\x80\x04", pickle, saveEither},
	{"\x80\x05", pickle, saveEither},
	{"\x1f\x8b", "a gzip archive", "Unpack it first (gunzip). If it holds a pickle: " + saveEither},
	{"\x78\x9c", joblib, saveEither},
	{"\x78\x01", joblib, saveEither},
	{"\x78\x5e", joblib, saveEither},
	{"\x78\xda", joblib, saveEither},
	{"BZh", "a bzip2 archive", "Unpack it first. If it holds a pickle: " + saveEither},
	{"\xfd7zXZ", "an xz archive", "Unpack it first. If it holds a pickle: " + saveEither},
	{"PK\x03\x04", "a zip archive (as of Keras, PyTorch, Spark, H2O or skops)", retrain},
	{"\x89HDF", "an HDF5 file (as of Keras)", retrain},
	{"CBM1", "a CatBoost model", retrain},
	{"<?xml", "an XML file (as PMML is)", retrain},
	{"<PMML", "a PMML file", retrain},
	{"binf", "XGBoost's old binary form", saveXGBoost + ", with the version of XGBoost that wrote it."},
	{"bs64", "XGBoost's old binary form", saveXGBoost + ", with the version of XGBoost that wrote it."},
}

const (
	pickle = "a pickle, which runs code where it is loaded: Perennial never does that"
	joblib = "a compressed pickle (joblib), which runs code where it is loaded: Perennial never does that"
)

// refuse tells what a file is that can't be imported, nil for one that may be.
func refuse(file []byte) error {
	for _, f := range foreign {
		if bytes.HasPrefix(file, []byte(f.start)) {
			return unsupported(f.what, f.hint)
		}
	}
	switch {
	case len(bytes.TrimSpace(file)) == 0:
		return unsupported("empty", "Save the model again. "+saveEither)
	case file[0] == 0x08 && bytes.Contains(file[:min(len(file), 4096)], []byte("onnx")), bytes.Contains(file[:min(len(file), 4096)], []byte("TreeEnsemble")) && file[0] < ' ':
		return unsupported("an ONNX model", retrain+" ONNX can't be turned back into either: use the model that it was made from. "+saveEither)
	case textPickle(file):
		return unsupported(pickle, saveEither)
	}
	return nil
}

// textPickle recognises the pickles of protocols 0 and 1, which have no mark of
// their own: they end with a stop, and begin with a container that is remembered
// (p0, q and a zero) or with the name of what rebuilds an object, on two lines.
func textPickle(file []byte) bool {
	return bytes.HasSuffix(bytes.TrimRight(file, "\r\n"), []byte(".")) && begins.Match(file[:min(len(file), 1000)])
}

var begins = regexp.MustCompile(`^\(*(?:[dl]p0\r?\n|[}\])]q\x00|c[A-Za-z_][\w.]*\r?\n[A-Za-z_][\w.]*\r?\n)`)

func unsupported(what, hint string) error {
	return perennial.Errorf(perennial.CodeInvalid, "", "this file is %s", what).WithHint("%s", hint)
}

func unknownFile() error {
	return perennial.Errorf(perennial.CodeInvalid, "", "this file is neither a LightGBM text file nor XGBoost's JSON").
		WithHint("%s", saveEither)
}

// otherJSON tells what JSON is that isn't XGBoost's model.
func otherJSON(file []byte) error {
	var keys map[string]json.RawMessage
	if json.Unmarshal(file, &keys) == nil {
		switch {
		case keys["tree_info"] != nil:
			return unsupported("LightGBM's dump_model, which LightGBM itself can't load", saveLightGBM)
		case keys["oblivious_trees"] != nil || keys["model_info"] != nil:
			return unsupported("a CatBoost model", retrain)
		}
	}
	return unknownFile()
}

// tooManyCategories refuses sets that would take far more memory than their file.
func tooManyCategories() error {
	return perennial.Errorf(perennial.CodeTooLarge, "", "the model's categorical splits take more memory than there is for them").
		WithHint("Give categories small codes, or encode the column as a number before training.")
}

// spareWords is how many words of category sets any model may have.
const spareWords = 1 << 20
