package weights

import (
	"fmt"
	"strings"
)

// The Python names that a pickle may use, and what fx does with them. Any other name is refused at once.
var knownGlobals = map[global]func(args tuple) (any, error){
	"collections.OrderedDict":                    orderedDict,
	"torch.Size":                                 size,
	"torch.device":                               device,
	"torch._utils._rebuild_tensor":               rebuildTensor,
	"torch._utils._rebuild_tensor_v2":            rebuildTensor,
	"torch._utils._rebuild_parameter":            parameter,
	"torch._utils._rebuild_parameter_with_state": parameter,
	"torch.nn.parameter.Parameter":               parameter, // before PyTorch 0.4
	"torch.autograd.variable.Variable":           parameter, // before PyTorch 0.4
}

// storageTypes are the classes of storages. A persistent id names one.
var storageTypes = map[string]DType{
	"DoubleStorage": F64, "FloatStorage": F32, "HalfStorage": F16, "BFloat16Storage": BF16,
	"LongStorage": I64, "IntStorage": I32, "ShortStorage": I16, "CharStorage": I8,
	"ByteStorage": U8, "BoolStorage": Bool,
}

// torchTypes are the element types that a checkpoint may contain as values.
var torchTypes = map[string]bool{
	"float64": true, "float32": true, "float16": true, "bfloat16": true, "int64": true,
	"int32": true, "int16": true, "int8": true, "uint8": true, "bool": true,
}

func init() {
	for name := range storageTypes {
		knownGlobals[global("torch."+name)] = nil
		knownGlobals[global("torch.cuda."+name)] = nil
	}
	for name := range torchTypes {
		knownGlobals[global("torch."+name)] = nil
	}
}

func (u *unpickler) global(op byte) error {
	var names [2]string
	if op == opGlobal {
		for i := range names {
			var err error
			if names[i], err = u.line(1024); err != nil {
				return err
			}
		}
	} else {
		items, err := u.popN(2)
		if err != nil {
			return err
		}
		for i := range names {
			var ok bool
			if names[i], ok = items[i].(string); !ok {
				return fmt.Errorf("a global named by %s", kindOf(items[i]))
			}
		}
	}
	name := global(names[0] + "." + names[1])
	if _, ok := knownGlobals[name]; !ok || strings.ContainsRune(names[1], '.') {
		return refuse(names[0], names[1])
	}
	return u.pushObject(name, nil, objectCost+len(name))
}

// call implements REDUCE and NEWOBJ, which apply a callable to a tuple.
func (u *unpickler) call() error {
	items, err := u.popN(2)
	if err != nil {
		return err
	}
	name, ok := items[0].(global)
	args, isTuple := items[1].(tuple)
	if !ok || !isTuple {
		return fmt.Errorf("%s called with %s", kindOf(items[0]), kindOf(items[1]))
	}
	apply := knownGlobals[name]
	if apply == nil {
		return refuse(string(name), "__call__")
	}
	v, err := apply(args)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	size := tensorCost
	if d, ok := v.(*dict); ok {
		size = dictCost + itemCost*len(d.keys) // an OrderedDict of a list that other calls may share
	}
	return u.pushObject(v, nil, size)
}

// build implements BUILD, which sets attributes: _metadata of state dicts and flags of old Parameters. fx needs
// neither.
func (u *unpickler) build() error {
	if _, err := u.pop(); err != nil {
		return err
	}
	v, err := u.top()
	if err != nil {
		return err
	}
	switch v.(type) {
	case *dict, *view:
		return nil
	}
	return fmt.Errorf("attributes set on %s", kindOf(v))
}

// orderedDict implements OrderedDict() and, from Python 2, OrderedDict([[key, value], …]).
func orderedDict(args tuple) (any, error) {
	d := newDict()
	if len(args) == 0 {
		return d, nil
	}
	items, ok := sequence(args[0])
	if !ok || len(args) > 1 {
		return nil, fmt.Errorf("called with %s", kindOf(args[0]))
	}
	for _, item := range items {
		pair, ok := sequence(item)
		if !ok || len(pair) != 2 {
			return nil, fmt.Errorf("an item that is %s", kindOf(item))
		}
		if err := d.set(pair[0], pair[1]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// size implements torch.Size((2, 3)), which is a tuple.
func size(args tuple) (any, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("%d arguments", len(args))
	}
	items, ok := sequence(args[0])
	if !ok {
		return nil, fmt.Errorf("called with %s", kindOf(args[0]))
	}
	return tuple(items), nil
}

// device implements torch.device("cuda", 0). Its name is enough.
func device(args tuple) (any, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("no arguments")
	}
	name, ok := args[0].(string)
	if !ok {
		return nil, fmt.Errorf("called with %s", kindOf(args[0]))
	}
	return name, nil
}

// parameter implements a tensor with requires_grad and hooks.
func parameter(args tuple) (any, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("no arguments")
	}
	v, ok := args[0].(*view)
	if !ok {
		return nil, fmt.Errorf("called with %s", kindOf(args[0]))
	}
	return v, nil
}

func sequence(v any) ([]any, bool) {
	switch v := v.(type) {
	case tuple:
		return v, true
	case *list:
		return v.items, true
	}
	return nil, false
}
