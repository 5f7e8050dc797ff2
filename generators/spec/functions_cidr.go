package spec

import (
	"fmt"
	"math/big"
	"net"

	"github.com/apparentlymart/go-cidr/cidr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/gocty"
)

var prefixParam = function.Parameter{Name: "prefix", Type: cty.String}

// network parses a prefix argument.
func network(val cty.Value) (*net.IPNet, error) {
	_, n, err := net.ParseCIDR(val.AsString())
	if err != nil {
		return nil, function.NewArgErrorf(0, "%q is not a prefix like 192.0.2.0/24 or 2001:db8::/64", val.AsString())
	}
	return n, nil
}

// wholeNumber returns a number argument as an integer of at most 128 bits,
// the size of an IPv6 address.
func wholeNumber(i int, val cty.Value) (*big.Int, error) {
	n, accuracy := val.AsBigFloat().Int(nil)
	if accuracy != big.Exact || n.BitLen() > 128 {
		return nil, function.NewArgErrorf(i, "a whole number is required")
	}
	return n, nil
}

func newBits(i int, val cty.Value) (int, error) {
	var bits int
	if err := gocty.FromCtyValue(val, &bits); err != nil || bits < 0 || bits > 128 {
		return 0, function.NewArgErrorf(i, "a whole number from 0 to 128 is required")
	}
	return bits, nil
}

// cidrFunc makes a function of a prefix and the numbers of the given names.
func cidrFunc(description string, impl func(base *net.IPNet, args []cty.Value) (fmt.Stringer, error), numbers ...string) function.Function {
	spec := &function.Spec{Description: description, Params: []function.Parameter{prefixParam}, Type: function.StaticReturnType(cty.String)}
	for _, name := range numbers {
		spec.Params = append(spec.Params, function.Parameter{Name: name, Type: cty.Number})
	}
	spec.Impl = func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		base, err := network(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		result, err := impl(base, args)
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(result.String()), nil
	}
	return function.New(spec)
}

var cidrHostFunc = cidrFunc("The address with the given number within a prefix.", func(base *net.IPNet, args []cty.Value) (fmt.Stringer, error) {
	num, err := wholeNumber(1, args[1])
	if err != nil {
		return nil, err
	}
	ip, err := cidr.HostBig(base, num)
	if err != nil {
		return nil, function.NewArgError(1, err)
	}
	return ip, nil
}, "hostnum")

var cidrNetmaskFunc = cidrFunc("The netmask of an IPv4 prefix in dotted form.", func(base *net.IPNet, _ []cty.Value) (fmt.Stringer, error) {
	if len(base.Mask) != net.IPv4len {
		return nil, function.NewArgErrorf(0, "an IPv6 prefix has no netmask")
	}
	return net.IP(base.Mask), nil
})

var cidrSubnetFunc = cidrFunc("The subnet with the given number, longer than its prefix by newbits.", func(base *net.IPNet, args []cty.Value) (fmt.Stringer, error) {
	bits, err := newBits(1, args[1])
	if err != nil {
		return nil, err
	}
	num, err := wholeNumber(2, args[2])
	if err != nil {
		return nil, err
	}
	return cidr.SubnetBig(base, bits, num)
}, "newbits", "netnum")

var cidrSubnetsFunc = function.New(&function.Spec{
	Description: "Consecutive subnets of a prefix, each longer than it by the given bits.",
	Params:      []function.Parameter{prefixParam},
	VarParam:    &function.Parameter{Name: "newbits", Type: cty.Number},
	Type:        function.StaticReturnType(cty.List(cty.String)),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		base, err := network(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		if len(args) == 1 {
			return cty.ListValEmpty(cty.String), nil
		}
		ones, _ := base.Mask.Size()
		var subnets []cty.Value
		var previous *net.IPNet
		for i, arg := range args[1:] {
			bits, err := newBits(i+1, arg)
			if err != nil {
				return cty.NilVal, err
			}
			next, err := nextSubnet(base, previous, ones+bits)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(i+1, "%s has no room for a subnet of %d more bits here", base, bits)
			}
			subnets = append(subnets, cty.StringVal(next.String()))
			previous = next
		}
		return cty.ListVal(subnets), nil
	},
})

// nextSubnet is the first subnet of base with the given prefix length that
// lies after previous, or at the start if previous is nil.
func nextSubnet(base, previous *net.IPNet, length int) (*net.IPNet, error) {
	if previous == nil {
		ones, _ := base.Mask.Size()
		return cidr.Subnet(base, length-ones, 0)
	}
	_, bits := base.Mask.Size()
	if length > bits {
		return nil, net.InvalidAddrError("too long")
	}
	next, rollover := cidr.NextSubnet(previous, length)
	if rollover || !base.Contains(next.IP) {
		return nil, net.InvalidAddrError("no room")
	}
	return next, nil
}
