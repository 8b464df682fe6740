//! The appliance: the smallest program on the kernel library.
//!
//! It takes the defaults (`eth0.42` with 10.10.10.11/24, filter list 42, and the UDP services that come
//! along) and serves. A binary of
//! your own starts from here.
#![no_std]
#![no_main]

use pollux_kernel::Kernel;

pollux_kernel::entry!(main);

fn main(mut kernel: Kernel) -> ! {
    kernel.configure_defaults();
    kernel.serve_defaults();
    kernel.run()
}
