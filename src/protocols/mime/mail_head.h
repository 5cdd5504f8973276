// SPDX-License-Identifier: Apache-2.0
// What a message's own fields say for rules and events.
#pragma once

#include <span>

#include "base/limits.h"
#include "protocols/mime/header_section.h"
#include "protocols/mime/mail_reader.h"

namespace sluice::mime {

MailHead mail_head(std::span<const HeaderField> fields, const Limits& limits);  // but for its size

// Notes what of it readers may disagree about.
void judge_head(std::span<const HeaderField> fields, MailOutput& output);

}  // namespace sluice::mime
