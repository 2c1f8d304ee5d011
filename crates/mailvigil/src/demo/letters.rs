//! The texts of the demonstration's mail, written for it. Slots in braces are filled by the day.

/// People of the organisation: name, mailbox.
pub const STAFF: [(&str, &str); 24] = [
    ("Anna Lindner", "anna.lindner"),
    ("Jonas Weber", "jonas.weber"),
    ("Mei Zhang", "mei.zhang"),
    ("Paul Okafor", "paul.okafor"),
    ("Claire Dubois", "claire.dubois"),
    ("Tomás Ruiz", "tomas.ruiz"),
    ("Ingrid Solberg", "ingrid.solberg"),
    ("Yusuf Demir", "yusuf.demir"),
    ("Helen Marsh", "helen.marsh"),
    ("Sven Karlsson", "sven.karlsson"),
    ("Lucia Rossi", "lucia.rossi"),
    ("David Novak", "david.novak"),
    ("Priya Raman", "priya.raman"),
    ("Emil Brandt", "emil.brandt"),
    ("Sofia Costa", "sofia.costa"),
    ("Martin Huber", "martin.huber"),
    ("Nora Fischer", "nora.fischer"),
    ("Li Wen", "li.wen"),
    ("Oskar Blom", "oskar.blom"),
    ("Greta Adler", "greta.adler"),
    ("Accounts", "accounts"),
    ("Sales", "sales"),
    ("Support", "support"),
    ("Office", "office"),
];

/// People elsewhere who write to them.
pub const FRIENDS: [(&str, &str, &str); 12] = [
    ("Robert Hale", "r.hale", "halehydraulics.example"),
    ("Katrin Vogel", "k.vogel", "stadtwerke-nord.example"),
    ("Jean Petit", "jean.petit", "atelier-petit.example"),
    ("Maria Keller", "maria", "keller-optik.example"),
    ("Ahmed Saleh", "ahmed.saleh", "gulfmeters.example"),
    ("Olga Petrova", "petrova", "nevalab.example"),
    ("Tom Brady", "tbrady", "westcoastlabs.example"),
    ("Eva Lindqvist", "eva", "fjordkraft.example"),
    ("Peter Stone", "peter", "stonepartners.example"),
    ("Susanne Ott", "s.ott", "uni-nordstadt.example"),
    ("Marco Bianchi", "m.bianchi", "bianchi-valvole.example"),
    ("Grace Lee", "grace.lee", "harbourtest.example"),
];

/// Subject and body of letters between people. `{me}` is the writer, `{you}` the reader, `{n}` a number, `{thing}` a thing.
pub const LETTERS: [(&str, &str); 20] = [
    (
        "Calibration of {thing}",
        "Hello {you},\n\nthe {thing} came back from calibration this morning. The certificate lists a drift of 0.{n} %, which is inside\nthe tolerance, so we can ship it with the rest on Thursday.\n\nCould you have a look at the cover letter before it goes out?\n\nBest wishes\n{me}\n",
    ),
    (
        "Minutes of Tuesday",
        "Dear all,\n\nthe minutes are below. Please shout if I misheard something.\n\n1. The new test bench is ordered, delivery in week {n}.\n2. {you} looks after the drawings of the {thing}.\n3. Next meeting in two weeks, same place.\n\n{me}\n",
    ),
    (
        "Re: offer {n}",
        "Hi {you},\n\nthank you, we accept offer {n}. Our purchase order follows by post; please invoice as usual, thirty days.\nThe {thing} should go to the Hamburg site, gate 3.\n\nKind regards\n{me}\n",
    ),
    (
        "Lunch?",
        "Hi {you},\n\nthe Italian place by the bridge has reopened. Friday at half past twelve? I owe you one since the {thing}.\n\n{me}\n",
    ),
    (
        "Question about the {thing}",
        "Good morning {you},\n\nour technician asks whether the {thing} can run at 60 Hz without a new transformer. The manual is silent about\nit, and page {n} seems to say the opposite of the data sheet.\n\nThanks in advance\n{me}\n",
    ),
    (
        "Visit on the {n}th",
        "Dear {you},\n\nwe would be four people and arrive at the station at 9:40. Is there somebody who could pick us up?\nI will bring the samples of the {thing}.\n\nLooking forward to it\n{me}\n",
    ),
    (
        "Termin am Donnerstag",
        "Hallo {you},\n\nDonnerstag um 14 Uhr passt mir gut. Ich bringe die Messwerte vom {thing} mit, dann können wir die Abweichung\nin Ruhe anschauen. Raum {n} ist reserviert.\n\nViele Grüße\n{me}\n",
    ),
    (
        "Rückfrage zur Zeichnung",
        "Hallo {you},\n\nin der Zeichnung fehlt das Maß für die Bohrung am {thing}. Sind es 6 oder 8 Millimeter? Die Werkstatt wartet.\n\nDanke und Gruß\n{me}\n",
    ),
    (
        "Compte rendu de la visite",
        "Bonjour {you},\n\nvoici le compte rendu de la visite de lundi. Le client est content du {thing}, il reste le réglage numéro {n}.\nJe rappelle leur technicien demain matin.\n\nBien à toi\n{me}\n",
    ),
    (
        "Holiday in March",
        "Hi {you},\n\nI would like to take the week from the {n}th off. Jonas covers the phone, and the {thing} will be finished before.\nIs that all right with you?\n\n{me}\n",
    ),
    (
        "Transfer to the landlord",
        "Hi {you},\n\nthe bank transfer for the rent went out this morning, the landlord should have it tomorrow. I filed the slip with\nthe invoice of the {thing}. Nothing else to do.\n\n{me}\n",
    ),
    (
        "Password change next Monday",
        "Dear colleagues,\n\nas every year we change the passwords of the workshop computers, next Monday between 8 and 9. You will not get\na link by mail: come to room {n}, Emil sits there with the list.\n\n{me}\n",
    ),
    (
        "Your talk",
        "Dear {you},\n\nthe programme committee was happy with your abstract about the {thing}. You have {n} minutes plus questions,\nin the second session of the first day.\n\nWith kind regards\n{me}\n",
    ),
    (
        "Broken pump",
        "Hello {you},\n\nthe pump next to the {thing} makes that noise again. I switched it off at {n} past ten and put a note on it.\nCan you order the seal kit?\n\n{me}\n",
    ),
    (
        "Thank you",
        "Dear {you},\n\nthank you for the quick help yesterday. The {thing} is running again and production lost less than an hour.\nPlease pass my thanks on to your colleague at the phone.\n\n{me}\n",
    ),
    (
        "Draft of the data sheet",
        "Hi {you},\n\nnew draft, I changed the table on page {n} and the picture of the {thing}. Marketing wants it by Wednesday.\n\n{me}\n",
    ),
    (
        "Re: Re: tolerance",
        "> Is plus or minus {n} micrometres really needed?\n\nFor the {thing} yes, for the housing no. I talked to the workshop, they can do it on the new machine.\n\n{me}\n",
    ),
    (
        "Birthday cake",
        "Hello everybody,\n\nthere is cake in the kitchen, I turned {n} yesterday. First come, first served.\n\n{me}\n",
    ),
    (
        "Insurance form",
        "Dear {you},\n\nplease find time this week to sign the insurance form for the {thing}. It lies on your desk, two pages, I marked\nthe places with a pencil.\n\n{me}\n",
    ),
    (
        "Train delayed",
        "Hi {you},\n\nmy train stands somewhere before Hannover, {n} minutes so far. Please start without me, the slides about the\n{thing} are on the share.\n\n{me}\n",
    ),
];

/// Things the organisation makes and mends.
pub const THINGS: [&str; 14] = [
    "flow meter",
    "pressure gauge",
    "level sensor",
    "test bench",
    "valve block",
    "thermostat",
    "torque sensor",
    "balance",
    "spectrometer",
    "drying oven",
    "leak tester",
    "signal converter",
    "data logger",
    "humidity probe",
];

/// Newsletters: sender, domain, subject, text.
pub const NEWSLETTERS: [(&str, &str, &str, &str); 6] = [
    (
        "Measuring Today",
        "measuringtoday.example",
        "This week in metrology: issue {n}",
        "The kilogram after five years, a visit to a calibration lab in Oslo, and why your reference thermometer may be older than you think.\n\nRead on the web: https://measuringtoday.example/issue/{n}\n",
    ),
    (
        "City Library",
        "library.example",
        "New books in November",
        "Forty new books on engineering, ten on gardening, and a reading on the 27th at seven. Admission is free.\n",
    ),
    (
        "Trade Fair Hannover",
        "fair.example",
        "Your exhibitor news {n}",
        "The floor plan is out. Exhibitors of hall 11 can book electricity until the end of the month in the exhibitor portal.\n",
    ),
    (
        "Law for Small Firms",
        "firmlaw.example",
        "Lotteries, prizes and what the law says",
        "May a company draw a winner among its customers? Three judgments on promotional lotteries, and a checklist of two pages.\n",
    ),
    (
        "Open Source Weekly",
        "osweekly.example",
        "Number {n}: mail servers, again",
        "Postfix turns twenty-eight, a new release of Dovecot, and a long read about running your own mail in a world of three providers.\n",
    ),
    (
        "Railway Customer Club",
        "rail.example",
        "Your points in November",
        "You have {n} points. From December the regional tariff zones change; the table below shows what that means for your season ticket.\n",
    ),
];

/// Receipts and notices: sender, domain, subject, text.
pub const RECEIPTS: [(&str, &str, &str, &str); 6] = [
    (
        "Office Supplies Nord",
        "supplies-nord.example",
        "Order {n} has been shipped",
        "Thank you for your order {n}. Two cartons of paper and one toner left our warehouse today and arrive tomorrow before noon.\n",
    ),
    (
        "Rheinbahn Tickets",
        "rheinbahn.example",
        "Your ticket {n}",
        "Booking {n}, one adult, Düsseldorf to Köln, 23 November. Show the code on your phone to the conductor.\n",
    ),
    (
        "Cloud Backup",
        "backup.example",
        "Backup report: all jobs finished",
        "Job {n}: 412 GB in 2 h 11 min, no errors. The next full backup starts on Sunday.\n",
    ),
    (
        "Stadtwerke Nord",
        "stadtwerke-nord.example",
        "Ihre Abschlagsrechnung",
        "Guten Tag,\n\nIhre Abschlagsrechnung {n} über 184,20 EUR liegt bei. Der Betrag wird am 1. Dezember abgebucht, Sie müssen nichts tun.\n",
    ),
    (
        "Hotel am Park",
        "hotelpark.example",
        "Confirmation of reservation {n}",
        "We look forward to your stay: one single room, two nights, breakfast included. Arrival from 15:00.\n",
    ),
    (
        "Parcel Service",
        "parcels.example",
        "Your parcel arrives today between 10 and 12",
        "Shipment {n} from Office Supplies Nord is out for delivery. You do not need to be at home.\n",
    ),
];

/// Posts of a mailing list.
pub const POSTS: [(&str, &str); 5] = [
    (
        "[flow-users] drift after power cycle",
        "Hi all,\n\nunit {n} shows a drift of about two counts after every power cycle. Firmware 3.2, standard wiring. Has anybody\nseen this? I attached nothing because the log is full of zeros.\n",
    ),
    (
        "Re: [flow-users] drift after power cycle",
        "On Monday somebody wrote:\n> shows a drift of about two counts\n\nWe had that too. Resistor R{n} was cold soldered. Reheat it and look again.\n",
    ),
    (
        "[flow-users] firmware 3.3 beta",
        "The beta is on the server. Changes: faster start, the menu remembers its place, and bug {n} is gone. Please test on\nunits you can spare.\n",
    ),
    (
        "Re: [flow-users] modbus register map",
        "Register {n} is signed since 3.1. The document on the page is old; the table in the repository is right.\n",
    ),
    (
        "[flow-users] meeting in Aarhus",
        "We have the room from ten. Bring your own meter. There will be coffee, and {n} chairs, which is more than last year.\n",
    ),
];

/// Chinese letters: subject, body.
pub const CHINESE: [(&str, &str); 6] = [
    (
        "关于流量计的订单",
        "张女士您好:\n\n贵公司第{n}号订单的流量计已经检验完毕,明天从上海发货,预计两周后到达汉堡。随货附有检验报告和原产地证书。\n\n如有问题请随时联系。\n\n王建国\n北京远航仪表有限公司\n",
    ),
    (
        "会议时间确认",
        "文先生:\n\n下周三的视频会议改到北京时间下午四点,会议号{n}。议题是新传感器的样品测试。\n\n谢谢!\n刘芳\n",
    ),
    (
        "样品测试结果",
        "您好,\n\n样品在实验室运行了{n}小时,零点漂移在允许范围之内。完整的数据表下周寄给您。\n\n此致\n敬礼\n陈明\n",
    ),
    (
        "春节放假通知",
        "各位合作伙伴:\n\n我公司春节放假安排见下,放假期间请拨打值班电话。祝大家新春愉快,阖家安康。\n\n北京远航仪表有限公司\n",
    ),
    (
        "技术问题请教",
        "老师您好:\n\n想请教第{n}页的接线图,第三根线是接地还是屏蔽?我们的工程师在现场等待。\n\n多谢\n小李\n",
    ),
    (
        "参观安排",
        "文先生您好,\n\n参观团一共{n}人,星期五上午九点到达贵公司,午饭我们自己安排。\n\n期待见面!\n赵敏\n",
    ),
];

/// Advance-fee fraud: sender, mailbox, subject, text.
pub const ADVANCE_FEE: [(&str, &str, &str, &str); 6] = [
    (
        "Barrister Kelvin Moore",
        "chambers@legalmoore.example",
        "CONFIDENTIAL: ESTATE OF YOUR LATE RELATIVE",
        "Dear friend,\n\nI am Barrister Kelvin Moore, solicitor to a late engineer who died in a fatal accident with his family. He left the sum of\nUS${n}.5 million in a dormant account here, and the bank wants a next of kin. I ask you, in utmost confidence, to stand as\nbeneficiary. Your share is 40% of the total. This transaction is 100% risk free. Send your full name, address and private\ntelephone number.\n\nGod bless you.\n",
    ),
    (
        "Mrs. Ruth Daniel",
        "ruth.daniel@widowshope.example",
        "Dearest one in the Lord",
        "Dearest one,\n\nI am a widow of 62, suffering from cancer. My late husband worked with the ministry of petroleum and deposited USD {n},500,000.00\nwith a security company. The doctor gives me three months. I want to bequeath this fund to an honest person for charity\nand the orphans. Reply urgently and treat this as strictly confidential.\n\nYours, Mrs. Ruth Daniel\n",
    ),
    (
        "Mr. Paul Adjei",
        "paul.adjei@centralclaims.example",
        "TRANSFER OF FUNDS - YOUR ASSISTANCE NEEDED",
        "Attention please,\n\nI am an accountant with the central bank. During our audit we discovered an over-invoiced contract sum of ${n} million dollars\nlying unclaimed. As civil servants we need a foreign partner with a bank account number to transfer the funds. You will get\n30 percent of the total. This business proposal is risk-free; kindly keep it confidential.\n",
    ),
    (
        "UN Compensation Office",
        "claims@un-compensation.example",
        "YOUR ATM CARD OF $1.{n} MILLION",
        "Attention beneficiary,\n\nyour name is on the list for the compensation fund of fraud victims. An ATM card loaded with US$1.{n} million waits for you with our\ndiplomat. To release the consignment, pay the delivery fee by Western Union to our agent in Lagos and send your private\ntelephone number. This is strictly confidential.\n",
    ),
    (
        "Frau Erika Baum",
        "e.baum@erbfonds.example",
        "Erbschaft für Sie",
        "Guten Tag,\n\nmein verstorbener Mann hinterließ 8,{n} Millionen Euro bei einer security company im Ausland. Ich bin krank und habe keine Kinder. Ich suche\neinen ehrlichen Menschen als Beneficiary für den Nachlass, 40 Prozent sind für Sie. Bitte streng vertraulich antworten.\nThe transfer of funds is 100% risk free, your assistance is all I need.\n",
    ),
    (
        "Sgt. Mark Willis",
        "mark.willis@army-box.example",
        "Partnership / consignment box",
        "Hello,\n\nI am a soldier abroad. With my unit I found a consignment of gold dust and cash, the sum of {n}.2 million US dollars, belonging to a\nformer head of state. A diplomat can move the consignment box out. I need an honest, trustworthy foreign partner to receive\nit; your share is 35%. No risk free lies: this is real. Reply urgently with your address. Keep this strictly confidential.\n",
    ),
];

/// Phishing: sender name, mailbox, subject, HTML.
pub const PHISHING: [(&str, &str, &str, &str); 7] = [
    (
        "Mail Administrator",
        "admin@webmail-update.example",
        "Your mailbox is full",
        "<p>Dear user,</p><p>your <b>mailbox is almost full</b> and 14 incoming messages are on hold. <a href=\"http://203.0.113.{n}/owa/\">Click here</a> to keep your password and upgrade your storage within 24 hours, or your account will be deactivated.</p>",
    ),
    (
        "PayDirect Security",
        "service@paydirect-alerts.example",
        "Unusual activity on your account",
        "<p>Dear customer,</p><p>we noticed <b>unusual activity</b>. Your account has been limited. Please <a href=\"http://paydirect-login.example/{n}\">https://www.paydirect.example/login</a> and verify your identity immediately, or access will be permanently closed. Click the link below to confirm your information.</p>",
    ),
    (
        "Parcel Service",
        "tracking@parcel-track.example",
        "Your parcel is on hold ({n})",
        "<p>We were unable to deliver your package. A customs fee of 1.99 EUR is due. Click the button to reschedule delivery within 48 hours, otherwise your parcel returns to the sender.</p><p><a href=\"http://parcel-track.example/pay/{n}\">Click here</a></p>",
    ),
    (
        "Lindenhof Helpdesk",
        "helpdesk@lindenhof.example",
        "Password expires today",
        "<p>Your password will expire today. To <b>keep same password</b> <a href=\"http://lindenhof-portal.example/{n}\">click here</a>. Failure to act within 24 hours: your account will be suspended.</p>",
    ),
    (
        "Stadtsparkasse",
        "kundenservice@sparkasse-daten.example",
        "Ihr Konto wurde eingeschränkt",
        "<p>Sehr geehrter Kunde,</p><p>Ihr Konto wurde aus Sicherheitsgründen gesperrt. Bitte bestätigen Sie Ihre Daten umgehend: <a href=\"http://sparkasse-daten.example/{n}\">hier klicken</a>. Ohne Antwort innerhalb von 24 Stunden bleibt das Konto gesperrt (Konto gesperrt).</p>",
    ),
    (
        "Cloud Sign-in",
        "no-reply@cloud-signin.example",
        "Suspicious sign-in prevented",
        "<p>Security alert: suspicious sign-in from a new device. If this was not you, <a href=\"http://cloud-signin.example/r/{n}\">verify now</a> and restore access. Immediate action required within 24 hours to avoid suspension.</p>",
    ),
    (
        "邮件管理员",
        "admin@mail-upgrade.example",
        "您的邮箱已满",
        "<p>尊敬的用户:</p><p>您的邮箱容量已用尽,邮箱升级后才能继续接收邮件。请在24小时内<a href=\"http://mail-upgrade.example/{n}\">点击这里</a>重新验证,否则账户已被冻结。</p>",
    ),
];

/// Offers nobody asked for: sender, mailbox, subject, text.
pub const OFFERS: [(&str, &str, &str, &str); 5] = [
    (
        "Canadian Meds",
        "offers@meds-direct.example",
        "VIAGRA and CIALIS without prescription!!!",
        "Cheap Viagra, Cialis and Levitra from our online pharmacy, no prescription needed! Order now: 100% satisfaction guaranteed, special offer {n} % off.\nTo be removed from our list, reply with remove me.\n",
    ),
    (
        "Loan Centre",
        "team@loan-centre.example",
        "Get out of debt, guaranteed approval!!",
        "Bad credit? No problem. Personal loan up to {n},000 with guaranteed approval, no credit check, lowest rates. Limited time offer, act now!\nThis is not spam; you received this email because you signed up. Opt-out below.\n",
    ),
    (
        "Work At Home",
        "jobs@easy-income.example",
        "MAKE MONEY FROM HOME - EARN THOUSANDS",
        "Work from home and earn up to $ {n}00 a day! Extra income, financial freedom, be your own boss. 100% guaranteed, risk free, absolutely free starter kit.\nCall now. This is a one-time mailing.\n",
    ),
    (
        "Watches",
        "sale@replica-time.example",
        "Replica Rolex - special offer           x{n}q7",
        "Replica watches, Rolex and more, designer handbags too. Order today, limited time offer, visit our website. Satisfaction guaranteed. Opt out any time.\n",
    ),
    (
        "SEO Team",
        "hello@rank-first.example",
        "First page of Google, guaranteed traffic!!!",
        "We offer SEO services: first page of Google, website traffic, million email addresses for targeted email marketing, bulk email software. Order now, special offer, no obligation, free quote.\n",
    ),
];

/// Trade in tax invoices: subject, text.
pub const INVOICE_TRADE: [(&str, &str); 3] = [
    (
        "代开发票",
        "贵公司负责人(财务)您好:\n\n我公司有多余发票可优惠代开,税率低,增值税普通发票,建筑安装、广告业、运输发票均可。验证后付款,点数优惠。\n电话:1380000{n} 陈先生\n",
    ),
    (
        "合作:发票代理",
        "您好!本公司长期代理开各类发票,国税地税均可验证,税点低,进项可抵扣。保证真实,验证后付款。诚信合作,欢迎来电。{n}\n",
    ),
    (
        "财务部收",
        "因进项较多,现有部分普通发票优惠代开,开票内容不限,可先开票验证后付款。联系人:李经理 {n}\n",
    ),
];

/// Extortion.
pub const EXTORTION: (&str, &str, &str) = (
    "I hacked your device",
    "nobody@dark-letters.example",
    "I know your password. A trojan gave me full access to your device and I recorded a video through your webcam while you were on adult sites.\nPay 900 USD in bitcoin to my bitcoin wallet (wallet address bc1q{n}) or I send the video to your contacts. You have 48 hours to pay.\nDo not answer.\n",
);
