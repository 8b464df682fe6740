/* Counts frames by their VLAN, in maps as programs define them now. */
#include "filter.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u16);
	__type(value, u64);
} per_vlan SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(u32));
	__uint(value_size, 12);
} limits SEC(".maps");

SEC("socket") int count(struct __sk_buff *skb)
{
	u16 vid = skb->vlan_tci & 0xfff;
	u64 *hits = bpf_map_lookup_elem(&per_vlan, &vid);
	u32 first = 0;
	u32 *limit = bpf_map_lookup_elem(&limits, &first);
	u64 one = 1;

	if (hits)
		__sync_fetch_and_add(hits, 1);
	else
		bpf_map_update_elem(&per_vlan, &vid, &one, 0);
	/* 0, as it is at first, is no limit. */
	return limit && *limit && skb->len > *limit ? EVL_RX_DROP : EVL_RX_VLAN;
}

char _license[] SEC("license") = "Dual MIT/GPL";
