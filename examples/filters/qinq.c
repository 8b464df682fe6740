/* Looks through up to two tags. */
#include "filter.h"

SEC("filter") int qinq(struct __sk_buff *skb)
{
	u32 protocol = skb->protocol, offset = 0;
	struct vlan_hdr vlan;

	for (int tags = 0; tags < 2; tags++) {
		if (protocol != htons(0x8100) && protocol != htons(0x88a8))
			break;
		if (bpf_skb_load_bytes(skb, offset, &vlan, sizeof(vlan)))
			return EVL_RX_DROP;
		if ((vlan.tci & htons(0xfff)) == htons(100))
			return EVL_RX_ACCEPT;
		protocol = vlan.protocol;
		offset += sizeof(vlan);
	}
	return EVL_RX_VLAN;
}
