package archive

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/foretick/foretick/market"
)

// field is a column of a table as text.
type field struct {
	name  string
	index int
	null  bool         // may be missing: a pointer or a slice
	typ   reflect.Type // of a value, without the pointer
}

var (
	timeType   = reflect.TypeFor[market.Time]()
	bytesType  = reflect.TypeFor[[]byte]()
	floatsType = reflect.TypeFor[[]float64]()
)

// fieldsOf are the columns of R, from the tags of its fields.
func fieldsOf[R Row]() []field {
	t := reflect.TypeFor[R]()
	list := make([]field, t.NumField())
	for i := range list {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		list[i] = field{name: name, index: i, typ: f.Type}
		switch f.Type.Kind() {
		case reflect.Pointer:
			list[i].typ, list[i].null = f.Type.Elem(), true
		case reflect.Slice:
			list[i].null = true
		}
	}
	return list
}

// value is the field of row, ok false when it is null.
func (f *field) value(row reflect.Value) (v reflect.Value, ok bool) {
	v = row.Field(f.index)
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v, false
		}
		return v.Elem(), true
	case reflect.Slice:
		return v, v.Len() > 0
	}
	return v, true
}

// appendText appends a value that is not null as CSV and JSON have it; text says that it is one
// that JSON must quote.
func (f *field) appendText(b []byte, v reflect.Value) (_ []byte, text bool) {
	switch {
	case f.typ == timeType:
		b, _ = market.Time(v.Int()).AppendText(b) // has no errors
		return b, true
	case f.typ == bytesType:
		return hex.AppendEncode(b, v.Bytes()), true
	case f.typ == floatsType:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendFloat(b, v.Index(i).Float())
		}
		return append(b, ']'), false
	}
	switch f.typ.Kind() {
	case reflect.String:
		return append(b, v.String()...), true
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool()), false
	case reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10), false
	case reflect.Uint64:
		return strconv.AppendUint(b, v.Uint(), 10), false
	}
	x := v.Float()
	return appendFloat(b, x), math.IsNaN(x) || math.IsInf(x, 0)
}

// appendFloat appends x with as many digits as give back the same double.
func appendFloat(b []byte, x float64) []byte {
	form := byte('f')
	if a := math.Abs(x); a != 0 && (a < 1e-9 || a >= 1e21) {
		form = 'e'
	}
	return strconv.AppendFloat(b, x, form, -1, 64)
}

// parse sets the field of row to what text says.
func (f *field) parse(row reflect.Value, text string) error {
	to := row.Field(f.index)
	if to.Kind() == reflect.Pointer {
		to.Set(reflect.New(f.typ))
		to = to.Elem()
	}
	var err error
	switch {
	case f.typ == timeType:
		var t market.Time
		t, err = market.ParseTime(text)
		to.SetInt(int64(t))
	case f.typ == bytesType:
		var b []byte
		b, err = hex.DecodeString(text)
		to.SetBytes(b)
	case f.typ == floatsType:
		var list []float64
		err = json.Unmarshal([]byte(text), &list)
		to.Set(reflect.ValueOf(list))
	case f.typ.Kind() == reflect.String:
		to.SetString(text)
	case f.typ.Kind() == reflect.Bool:
		var v bool
		v, err = parseBool(text)
		to.SetBool(v)
	case f.typ.Kind() == reflect.Int64:
		var v int64
		v, err = strconv.ParseInt(text, 10, 64)
		to.SetInt(v)
	case f.typ.Kind() == reflect.Uint64:
		var v uint64
		v, err = strconv.ParseUint(text, 10, 64)
		to.SetUint(v)
	default:
		var v float64
		v, err = strconv.ParseFloat(text, 64)
		if math.IsNaN(v) {
			v = math.NaN()
		}
		to.SetFloat(v)
	}
	if err != nil {
		var num *strconv.NumError
		if errors.As(err, &num) {
			err = num.Err
		}
		return fmt.Errorf("column %s: %.40q: %w", f.name, text, err)
	}
	return nil
}

// parseBool reads what appendText writes, and the capitals of Python.
func parseBool(s string) (bool, error) {
	switch s {
	case "true", "True":
		return true, nil
	case "false", "False":
		return false, nil
	}
	return false, errors.New("it is neither true nor false")
}

// sameRow reports whether two rows say the same, to the last bit. Sealed bytes are not compared:
// they are what entries are read from. A null text is an empty one, and line ends are alike: CSV
// cannot tell them apart.
func sameRow[R Row](fields []field, a, b *R) bool {
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range fields {
		f := &fields[i]
		if f.typ == bytesType {
			continue
		}
		v, some := f.value(x)
		w, too := f.value(y)
		if f.typ.Kind() == reflect.String {
			if textOf(v, some) != textOf(w, too) {
				return false
			}
			continue
		}
		if some != too || some && !sameValue(v, w) {
			return false
		}
	}
	return true
}

func textOf(v reflect.Value, some bool) string {
	if !some {
		return ""
	}
	return strings.ReplaceAll(v.String(), "\r\n", "\n")
}

func sameValue(v, w reflect.Value) bool {
	switch v.Kind() {
	case reflect.Float64:
		return math.Float64bits(v.Float()) == math.Float64bits(w.Float())
	case reflect.Slice:
		if v.Len() != w.Len() {
			return false
		}
		for i := range v.Len() {
			if !sameValue(v.Index(i), w.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Bool:
		return v.Bool() == w.Bool()
	case reflect.Uint64:
		return v.Uint() == w.Uint()
	}
	return v.Int() == w.Int() // integers and times
}
