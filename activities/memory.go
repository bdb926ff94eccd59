package activities

import (
	"runtime/debug"
	"runtime/metrics"
)

// muchMemory is from how many bytes of heap on collect does something.
const muchMemory = 512 << 20

// collect gives back the memory of what the last step left, where it is much. The
// collector alone waits until the heap has doubled, and what a step on a million
// rows leaves is as large as what the next one needs. It takes some tenths of a
// second then, which is little beside such a step.
func collect() {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindUint64 && sample[0].Value.Uint64() > muchMemory {
		debug.FreeOSMemory()
	}
}
