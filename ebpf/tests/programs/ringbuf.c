#include "../../../examples/filters/filter.h"

struct {
	__uint(type, 27);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("socket") int tells(struct __sk_buff *skb)
{
	u32 first = 0;

	return bpf_map_lookup_elem(&events, &first) != 0;
}
