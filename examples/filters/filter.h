/* What the programs here need of Linux's and EVL's headers, so that they compile without them. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

enum { EVL_RX_DROP, EVL_RX_ACCEPT, EVL_RX_SKIP, EVL_RX_VLAN };

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int(*name)[value]
#define __type(name, value) value *name
#define htons(value) ((u16)__builtin_bswap16(value))

enum { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_ARRAY = 2 };

struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto;
	u32 priority, ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end;
};

struct vlan_hdr {
	u16 tci, protocol;
};

struct iphdr {
	u8 version_ihl, tos;
	u16 tot_len, id, frag_off;
	u8 ttl, protocol;
	u16 check;
	u32 saddr, daddr;
};

struct udphdr {
	u16 source, dest, len, check;
};

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u64 (*bpf_ktime_get_ns)(void) = (void *)5;
/* Packet instructions: from network order; they end the program, and drop the frame, where it is too short. */
u64 load_byte(const void *skb, u64 offset) asm("llvm.bpf.load.byte");
u64 load_half(const void *skb, u64 offset) asm("llvm.bpf.load.half");
static long (*bpf_skb_load_bytes)(const void *skb, u32 offset, void *to, u32 len) = (void *)26;
