/* The usual filter: real-time is UDP to one port in one VLAN. */
#include "filter.h"

#ifndef PORT
#define PORT 42042
#endif

SEC("socket") int udp_port(struct __sk_buff *skb)
{
	struct vlan_hdr vlan;
	struct iphdr ip;
	u16 port;

	if (skb->protocol != htons(0x8100) || bpf_skb_load_bytes(skb, 0, &vlan, sizeof(vlan)))
		return EVL_RX_SKIP;
	if ((vlan.tci & htons(0xfff)) != htons(42) || vlan.protocol != htons(0x800))
		return EVL_RX_SKIP;
	if (bpf_skb_load_bytes(skb, 4, &ip, sizeof(ip)) || ip.protocol != 17)
		return EVL_RX_SKIP;
	if (bpf_skb_load_bytes(skb, 4 + (ip.version_ihl & 15) * 4 + 2, &port, sizeof(port)))
		return EVL_RX_SKIP;
	return port == htons(PORT) ? EVL_RX_ACCEPT : EVL_RX_SKIP;
}

char _license[] SEC("license") = "GPL";
