// SPDX-License-Identifier: Apache-2.0
// A directory as a page, in pieces as its lines come.
#pragma once

#include <string>
#include <string_view>

#include "protocols/ftp/listing.h"

namespace sluice::ftp {

// `url`: the directory's, for people; `has_parent`: whether a link leads up.
void append_page_start(std::string& out, std::string_view url, bool has_parent);
void append_page_entry(std::string& out, const Entry& entry);
void append_page_end(std::string& out, std::size_t entries);

}  // namespace sluice::ftp
