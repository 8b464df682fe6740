//! Every network card that QEMU has and the appliance drives, with the options that change what is done with it, on
//! each kind of machine.
//!
//! On each of them a slice is tried by `tests/tests/nics.rs`, the whole suites by `./run.sh test --cards`, and the
//! table in `docs/nics.md` is measured by `./run.sh bench cards`.

use crate::appliance::Boot;

/// A machine and its card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// As in `./run.sh boot --machine`.
    pub machine: &'static str,
    /// As in `./run.sh boot --nic`.
    pub nic: &'static str,
}

impl Row {
    /// A boot of it.
    pub fn boot(self) -> Boot {
        let boot = Boot::new().with(&["--machine", self.machine, "--nic", self.nic]);
        // They are used where that is asked for only.
        if self.nic.contains("packed=on") {
            boot.word("pollux.virtio-queues=packed")
        } else {
            boot
        }
    }
}

const fn pc(nic: &'static str) -> Row {
    Row { machine: "pc", nic }
}

const fn q35(nic: &'static str) -> Row {
    Row {
        machine: "q35",
        nic,
    }
}

const fn microvm(nic: &'static str) -> Row {
    Row {
        machine: "microvm",
        nic,
    }
}

/// All of them. Where no `romfile` is named, the card has none.
pub const ROWS: [Row; 30] = [
    pc("e1000"),
    pc("e1000,init-vet=off"),
    pc("e1000,romfile=pxe-e1000.rom"),
    pc("e1000-82544gc"),
    pc("e1000-82544gc,init-vet=off"),
    pc("e1000-82545em"),
    pc("e1000-82545em,init-vet=off"),
    pc("e1000e"),
    pc("e1000e,init-vet=off"),
    pc("e1000e,romfile=efi-e1000e.rom"),
    pc("igb"),
    pc("virtio-net-pci"),
    pc("virtio-net-pci,packed=on"),
    pc("virtio-net-pci,mrg_rxbuf=off"),
    pc("virtio-net-pci,packed=on,mrg_rxbuf=off"),
    pc("virtio-net-pci,ctrl_vlan=off"),
    pc("virtio-net-pci,disable-modern=on"),
    pc("virtio-net-pci,disable-modern=on,mrg_rxbuf=off"),
    pc("virtio-net-pci,disable-modern=on,rx_queue_size=1024"),
    pc("virtio-net-pci,romfile=efi-virtio.rom"),
    pc("virtio-net-pci-transitional"),
    pc("virtio-net-pci-non-transitional"),
    q35("e1000"),
    q35("e1000e"),
    q35("igb"),
    q35("virtio-net-pci"),
    q35("virtio-net-pci,packed=on"),
    q35("virtio-net-pci,disable-modern=on"),
    microvm("virtio-net-device"),
    microvm("virtio-net-device,mrg_rxbuf=off"),
];
