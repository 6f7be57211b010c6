package modelfile

import (
	"archive/zip"
	"bytes"
	"errors"
	"testing"
)

// bounded checks that reading a file did not take much more memory than it is worth.
func bounded(t *testing.T, data []byte, read func()) {
	if n := allocated(read); n > 64<<20+300*uint64(len(data)) {
		t.Fatalf("%d bytes took %d MiB", len(data), n>>20)
	}
}

// whole checks what a reader of weights gave.
func whole(t *testing.T, tensors Tensors, err error) {
	if err != nil {
		if !errors.Is(err, ErrFormat) || len(err.Error()) > 2000 {
			t.Fatalf("%T of %d bytes: %.200v", err, len(err.Error()), err)
		}
		return
	}
	for name, x := range tensors {
		if _, err := newTensor(name, x.Shape, x.Data); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzTorch(f *testing.F) {
	for name, data := range goods(f, "*.pth") {
		f.Add(data)
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			f.Fatal(name, err)
		}
		a := &archive{left: MaxSize}
		if err := a.index(z); err != nil {
			f.Fatal(name, err)
		}
		pickle, err := a.read(a.pickle, maxPickle)
		if err != nil {
			f.Fatal(name, err)
		}
		f.Add(pickle)
	}
	f.Add(golden(f, "lstm_model.pth"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// What is a zip is read as one; anything else is the pickle of one.
		if !bytes.HasPrefix(data, []byte("PK")) {
			data = pack(t, string(data), four)
		}
		var got Tensors
		var err error
		if len(data) < 1<<17 {
			bounded(t, data, func() { got, err = ReadTorch(data) })
			whole(t, got, err)
		}
	})
}

func FuzzSafetensors(f *testing.F) {
	f.Add(file(`{"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"__metadata__":{"format":"pt"}}`, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f))
	for name, data := range goods(f, "*.pth") {
		t, err := ReadTorch(data)
		if err != nil {
			f.Fatal(name, err)
		}
		b, err := WriteSafetensors(t, map[string]string{"from": name})
		if err != nil {
			f.Fatal(name, err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got Tensors
		var meta map[string]string
		var err error
		bounded(t, data, func() { got, meta, err = ReadSafetensors(data) })
		whole(t, got, err)
		if err != nil {
			return
		}
		// What was read can be written, and read again.
		for name := range got {
			if name == "__metadata__" {
				delete(got, name)
			}
		}
		b, err := WriteSafetensors(got, meta)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := ReadSafetensors(b)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "again", again, got)
	})
}

func FuzzScaler(f *testing.F) {
	for _, data := range goods(f, "*.pkl") {
		f.Add(data)
	}
	f.Add(golden(f, "X_scaler.pkl"))
	f.Add([]byte(`{"mean": [1, 2.5], "scale": [1, 3]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s Scaler
		var err error
		bounded(t, data, func() { s, err = ReadScaler(data) })
		whole(t, nil, err)
		if err == nil {
			if _, err := s.check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzHyper(f *testing.F) {
	f.Add(golden(f, "lstm_model_hyper_param.json"))
	f.Add([]byte(`{"input_size": 4097, "hidden_size": 1e1, "num_stacked_layers": 0}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ReadHyper(data)
		whole(t, nil, err)
		if err == nil && (h.Input < 1 || h.Hidden < 1 || h.Layers < 1 || h.Input > 4096 || h.Hidden > 4096 || h.Layers > 256) {
			t.Fatalf("%+v", h)
		}
	})
}
