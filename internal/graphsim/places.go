package graphsim

import (
	"net/netip"
	"strconv"
	"strings"
)

// checkLocation: masks must be longer than /8 for IPv4, as the documentation
// of the network condition says.
func checkLocation(body map[string]any) *Refusal {
	if strings.HasSuffix(body[typeTag].(string), "countryNamedLocation") {
		if len(strs(body, "countriesAndRegions")) == 0 && body["includeUnknownCountriesAndRegions"] != true {
			return badRequest(0, "A country location needs a country.")
		}
		return nil
	}
	ranges, _ := body["ipRanges"].([]any)
	if len(ranges) == 0 || len(ranges) > 2000 {
		return badRequest(0, "A location has 1 to 2000 ranges, not %d.", len(ranges))
	}
	for _, member := range ranges {
		if refusal := checkRange(member.(map[string]any)); refusal != nil {
			return refusal
		}
	}
	return nil
}

func checkRange(r map[string]any) *Refusal {
	six := strings.Contains(r[typeTag].(string), "iPv6")
	if cidr, ok := r["cidrAddress"].(string); ok {
		address, bits, _ := strings.Cut(cidr, "/")
		ip, err := netip.ParseAddr(address)
		n, errBits := strconv.Atoi(bits)
		if err != nil || errBits != nil || ip.Is6() != six || n > ip.BitLen() || !six && n <= 8 {
			return badRequest(0, "'%s' is not a range that a named location may hold.", cidr)
		}
		return nil
	}
	low, errLow := netip.ParseAddr(r["lowerAddress"].(string))
	high, errHigh := netip.ParseAddr(r["upperAddress"].(string))
	if errLow != nil || errHigh != nil || low.Is6() != six || high.Is6() != six || high.Less(low) {
		return badRequest(0, "'%v' to '%v' is not a range.", r["lowerAddress"], r["upperAddress"])
	}
	return nil
}
