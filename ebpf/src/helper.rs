//! The functions that a program can call, by the numbers of `linux/bpf.h`.

/// A function that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helper {
    MapLookup,
    MapUpdate,
    MapDelete,
    Time,
    Random,
    LoadBytes,
    LoadBytesRelative,
}

/// What an argument has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    Map,
    Context,
    /// Where octets are, or a number.
    Value,
}

impl Helper {
    /// The function with this number.
    pub const fn numbered(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::MapLookup,
            2 => Self::MapUpdate,
            3 => Self::MapDelete,
            5 => Self::Time,
            7 => Self::Random,
            26 => Self::LoadBytes,
            68 => Self::LoadBytesRelative,
            _ => return None,
        })
    }

    /// What its arguments have to be, from R1 on.
    pub const fn arguments(self) -> &'static [Argument] {
        use Argument::{Context, Map, Value};
        match self {
            Self::MapLookup | Self::MapDelete => &[Map, Value],
            Self::MapUpdate => &[Map, Value, Value, Value],
            Self::Time | Self::Random => &[],
            Self::LoadBytes => &[Context, Value, Value, Value],
            Self::LoadBytesRelative => &[Context, Value, Value, Value, Value],
        }
    }
}

/// The name of any function of Linux with this number, without its `bpf_`; `None` where none is known.
pub fn name(number: i32) -> Option<&'static str> {
    NAMES.get(usize::try_from(number).ok()?).copied()
}

/// By their numbers.
const NAMES: [&str; 81] = [
    "unspec",
    "map_lookup_elem",
    "map_update_elem",
    "map_delete_elem",
    "probe_read",
    "ktime_get_ns",
    "trace_printk",
    "get_prandom_u32",
    "get_smp_processor_id",
    "skb_store_bytes",
    "l3_csum_replace",
    "l4_csum_replace",
    "tail_call",
    "clone_redirect",
    "get_current_pid_tgid",
    "get_current_uid_gid",
    "get_current_comm",
    "get_cgroup_classid",
    "skb_vlan_push",
    "skb_vlan_pop",
    "skb_get_tunnel_key",
    "skb_set_tunnel_key",
    "perf_event_read",
    "redirect",
    "get_route_realm",
    "perf_event_output",
    "skb_load_bytes",
    "get_stackid",
    "csum_diff",
    "skb_get_tunnel_opt",
    "skb_set_tunnel_opt",
    "skb_change_proto",
    "skb_change_type",
    "skb_under_cgroup",
    "get_hash_recalc",
    "get_current_task",
    "probe_write_user",
    "current_task_under_cgroup",
    "skb_change_tail",
    "skb_pull_data",
    "csum_update",
    "set_hash_invalid",
    "get_numa_node_id",
    "skb_change_head",
    "xdp_adjust_head",
    "probe_read_str",
    "get_socket_cookie",
    "get_socket_uid",
    "set_hash",
    "setsockopt",
    "skb_adjust_room",
    "redirect_map",
    "sk_redirect_map",
    "sock_map_update",
    "xdp_adjust_meta",
    "perf_event_read_value",
    "perf_prog_read_value",
    "getsockopt",
    "override_return",
    "sock_ops_cb_flags_set",
    "msg_redirect_map",
    "msg_apply_bytes",
    "msg_cork_bytes",
    "msg_pull_data",
    "bind",
    "xdp_adjust_tail",
    "skb_get_xfrm_state",
    "get_stack",
    "skb_load_bytes_relative",
    "fib_lookup",
    "sock_hash_update",
    "msg_redirect_hash",
    "sk_redirect_hash",
    "lwt_push_encap",
    "lwt_seg6_store_bytes",
    "lwt_seg6_adjust_srh",
    "lwt_seg6_action",
    "rc_repeat",
    "rc_keydown",
    "skb_cgroup_id",
    "get_current_cgroup_id",
];
