// SPDX-License-Identifier: Apache-2.0
// Packets with descriptors over a SOCK_SEQPACKET socket (unix(7), SCM_RIGHTS).
#pragma once

#include "base/result.h"
#include "inspect/descriptor.h"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::inspect {

inline constexpr std::size_t packet_descriptors = 2;         // at most, with one packet

struct Packet {
    std::string bytes;
    std::array<Descriptor, packet_descriptors> descriptors;
};

// Two ends, closed on exec.
Result<std::pair<Descriptor, Descriptor>> packet_pair();

// `waits`: for room in the socket; else no room is an error (overloaded). closed: nobody is at the other end.
Result<void> send_packet(int socket, std::string_view bytes, std::span<const int> descriptors, bool waits);

// nullopt: none is there (where it does not wait). closed: the other end is gone. malformed: longer than any message, or without text.
Result<std::optional<Packet>> receive_packet(int socket, bool waits);

}  // namespace sluice::inspect
