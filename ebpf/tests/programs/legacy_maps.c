/* A map as older programs define it. */
#include "../../../examples/filters/filter.h"

struct bpf_map_def {
	u32 type, key_size, value_size, max_entries, map_flags;
};

struct bpf_map_def unused SEC("maps") = { BPF_MAP_TYPE_HASH, 8, 8, 4, 1 };
struct bpf_map_def verdict SEC("maps") = { BPF_MAP_TYPE_ARRAY, 4, 4, 1, 0 };

SEC("socket1") int not_this_one(struct __sk_buff *skb)
{
	return EVL_RX_DROP;
}

SEC("socket") int by_console(struct __sk_buff *skb)
{
	u32 first = 0;
	u32 *value = bpf_map_lookup_elem(&verdict, &first);

	return value ? *value : EVL_RX_DROP;
}

SEC("socket") int second(struct __sk_buff *skb)
{
	return EVL_RX_SKIP;
}
