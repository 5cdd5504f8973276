// SPDX-License-Identifier: Apache-2.0
// FEAT (RFC 2389 3): what of a server's features goes on to a client, with what we add for ourselves. A feature that a client is told of is one that
// the session understands: what is not named here would be a way around it.
#pragma once

#include "protocols/ftp/reply.h"

#include <string_view>

namespace sluice::ftp {

struct Features {
    bool has_tls = false;  // AUTH TLS, PBSZ and PROT are ours, whatever the server says of itself
    bool has_host = false;
};

// The answer to FEAT. Of the server's 211 the lines whose feature we understand, byte for byte and in its order: MDTM, SIZE, REST STREAM, MLST with
// its facts, TVFS, UTF8, LANG, MFMT, MFCT, MFF, CLNT; then our own EPRT and EPSV, and those of `ours`. Everything else of the server's (MODE Z,
// AUTH, XCRC, SITE …, HOST, PRET) is left out. `server`: null before there is a server, or where it has no FEAT.
Reply features_for_client(const Reply* server, const Features& ours);
// Whether the server's answer has it, in any case: "SIZE", or with one of its parameters, "AUTH TLS", where it may have several ("AUTH SSL;TLS;").
bool has_feature(const Reply& server, std::string_view feature);

}  // namespace sluice::ftp
