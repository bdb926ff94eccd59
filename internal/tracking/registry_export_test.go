package tracking

import "github.com/perennial-ml/perennial/internal/mlflow"

// ArtifactPath reads a path as it stands in an address.
func ArtifactPath(escaped string) (root, path string, fault *mlflow.Error) {
	p, err := escapedPath(escaped)
	if err != nil {
		fault, _ = wireError(err)
	}
	return p.root, p.path, fault
}

// ByteRange reads a Range header; ok is false where no byte of the file is in it.
func ByteRange(header string, size int64) (from, length int64, ok bool) {
	from, length, kind := byteRange(header, size)
	return from, length, kind != rangeWrong
}
