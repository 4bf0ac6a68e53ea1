BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	experiment_id VARCHAR(16) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	data JSON NOT NULL, 
	CONSTRAINT fk_events_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE
);
INSERT INTO "events" VALUES(1,'67d9bad572dbac7d','status','{"status": "queued", "reason": null}');
INSERT INTO "events" VALUES(2,'67d9bad572dbac7d','status','{"status": "running", "reason": null}');
INSERT INTO "events" VALUES(3,'67d9bad572dbac7d','task','{"index": 0, "label": "0\u00b0", "status": "running", "attempt": 1, "accuracy": null, "reason": null}');
INSERT INTO "events" VALUES(4,'67d9bad572dbac7d','progress','{"index": 0, "epoch": 1, "loss": 3.1248103857040403, "progress": {"tasks_total": 2, "tasks_done": 0, "fraction": 0.25, "eta_seconds": 0.7590780258178711}}');
INSERT INTO "events" VALUES(5,'67d9bad572dbac7d','progress','{"index": 0, "epoch": 2, "loss": 2.580687491794427, "progress": {"tasks_total": 2, "tasks_done": 0, "fraction": 0.5, "eta_seconds": 0.2809882164001465}}');
INSERT INTO "events" VALUES(6,'67d9bad572dbac7d','task','{"index": 0, "label": "0\u00b0", "status": "completed", "attempt": 1, "accuracy": 0.109, "reason": null}');
INSERT INTO "events" VALUES(7,'67d9bad572dbac7d','task','{"index": 1, "label": "15\u00b0", "status": "running", "attempt": 1, "accuracy": null, "reason": null}');
INSERT INTO "events" VALUES(8,'67d9bad572dbac7d','progress','{"index": 1, "epoch": 1, "loss": 2.7158755162358283, "progress": {"tasks_total": 2, "tasks_done": 1, "fraction": 0.75, "eta_seconds": 0.12166500091552734}}');
INSERT INTO "events" VALUES(9,'67d9bad572dbac7d','progress','{"index": 1, "epoch": 2, "loss": 2.4667184367775916, "progress": {"tasks_total": 2, "tasks_done": 1, "fraction": 1.0, "eta_seconds": 0.0}}');
INSERT INTO "events" VALUES(10,'67d9bad572dbac7d','task','{"index": 1, "label": "15\u00b0", "status": "completed", "attempt": 1, "accuracy": 0.158, "reason": null}');
INSERT INTO "events" VALUES(11,'67d9bad572dbac7d','status','{"status": "completed", "reason": null}');
INSERT INTO "events" VALUES(12,'0253e362516521b8','status','{"status": "queued", "reason": null}');
INSERT INTO "events" VALUES(13,'0253e362516521b8','status','{"status": "running", "reason": null}');
INSERT INTO "events" VALUES(14,'0253e362516521b8','task','{"index": 0, "label": "0\u00b0", "status": "running", "attempt": 1, "accuracy": null, "reason": null}');
INSERT INTO "events" VALUES(15,'0253e362516521b8','progress','{"index": 0, "epoch": 1, "loss": 2.296847264766693, "progress": {"tasks_total": 2, "tasks_done": 0, "fraction": 0.25, "eta_seconds": 0.1169579029083252}}');
INSERT INTO "events" VALUES(16,'0253e362516521b8','task','{"index": 0, "label": "0\u00b0", "status": "queued", "attempt": 0, "accuracy": null, "reason": null}');
INSERT INTO "events" VALUES(17,'20ca6724550b16cc','status','{"status": "queued", "reason": null}');
CREATE TABLE experiment_tags (
	experiment_id VARCHAR(16) NOT NULL, 
	tag VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_experiment_tags PRIMARY KEY (experiment_id, tag), 
	CONSTRAINT fk_experiment_tags_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE
);
INSERT INTO "experiment_tags" VALUES('67d9bad572dbac7d','old');
CREATE TABLE experiments (
	id VARCHAR(16) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	spec JSON NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	base_id VARCHAR(64) NOT NULL, 
	suite VARCHAR(255) NOT NULL, 
	dataset VARCHAR(255) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT, 
	cancel_requested BOOLEAN NOT NULL, 
	versions JSON NOT NULL, 
	tasks_total INTEGER NOT NULL, 
	tasks_done INTEGER NOT NULL, 
	epochs_total INTEGER NOT NULL, 
	epochs_done INTEGER NOT NULL, 
	mean_accuracy DOUBLE, 
	pace_since DOUBLE, 
	pace_epochs INTEGER NOT NULL, 
	created_at DOUBLE NOT NULL, 
	started_at DOUBLE, 
	finished_at DOUBLE, 
	CONSTRAINT pk_experiments PRIMARY KEY (id)
);
INSERT INTO "experiments" VALUES('67d9bad572dbac7d','done','{"name": "done", "dataset": "mnist5k", "suite": {"kind": "rotation", "tasks": 2, "step_degrees": 15.0}, "network": {"kind": "tgsh", "hidden": 8, "rank": 2, "weight_decay": 0.0001}, "training": {"epochs": 2, "batch_size": 128, "learning_rate": 0.01, "train_limit": 300}, "seed": 0, "base_seed": 0, "tags": ["old"]}','0af79db71cafb0f95a384edd456372ba6936d5220e745dd53b2f45193909e93c','1338f21a049366bfc55d4e4451665ac5855cae4018193b91d17302f198db17d3','rotation','mnist5k','completed',NULL,0,'{"tgsh": "0.1.0", "python": "3.11.7", "numpy": "2.4.6", "torch": "2.14.1+cu130"}',2,2,4,4,0.1335,1.79550707218799304957e+09,0,1.79550707213001704215e+09,1.79550707218799304957e+09,1.79550707289500975603e+09);
INSERT INTO "experiments" VALUES('0253e362516521b8','half','{"name": "half", "dataset": "mnist5k", "suite": {"kind": "rotation", "tasks": 2, "step_degrees": 15.0}, "network": {"kind": "neuromodnet", "layers": [8]}, "training": {"epochs": 2, "batch_size": 128, "learning_rate": 0.01, "train_limit": 300}, "seed": 0, "base_seed": 0, "tags": []}','b82718695b834bf1d356f61df72719be277c3a87ec802a21121d3ce741aeb5c8','e6a17ec0f9b9b4d9302ad355d2629c1d4136be531f895a51f0c0d0077a6bb1ec','rotation','mnist5k','running',NULL,0,'{}',2,0,4,1,NULL,1.79550707338299751283e+09,0,1.79550707336501336099e+09,1.79550707338299751283e+09,NULL);
INSERT INTO "experiments" VALUES('20ca6724550b16cc','fly','{"name": "fly", "dataset": "mnist5k", "suite": {"kind": "rotation", "tasks": 2, "step_degrees": 15.0}, "network": {"kind": "flynet", "expansion": 1, "fan_in": 7}, "training": {"epochs": 2, "batch_size": 128, "learning_rate": 0.01, "train_limit": 300}, "seed": 0, "base_seed": 0, "tags": []}','d803fd5e4f28e2ac11dee3eff355d09fd6e432bb11ad891214295349e6560289','36bec4cdf58ccda4dc875cf00a8320d0bba96b90e553956487372aa8c7fa4781','rotation','mnist5k','queued',NULL,0,'{}',2,0,4,0,NULL,NULL,0,1.79550707344000792502e+09,NULL,NULL);
CREATE TABLE finishes (
	experiment_id VARCHAR(16) NOT NULL, 
	results JSON NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT, 
	attempts INTEGER NOT NULL, 
	token VARCHAR(32), 
	lease_until DOUBLE, 
	worker VARCHAR(255), 
	queued_at DOUBLE, 
	published_at DOUBLE, 
	started_at DOUBLE, 
	finished_at DOUBLE, 
	CONSTRAINT pk_finishes PRIMARY KEY (experiment_id), 
	CONSTRAINT fk_finishes_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE
);
INSERT INTO "finishes" VALUES('67d9bad572dbac7d','{"vectors": ["67d9bad572dbac7d/vectors-42f6136f.npy", "d7a036444e096f5dd0a82ef1410c8453136be5568a6bec1bcdca3f4851f4e920"], "geometry": ["67d9bad572dbac7d/geometry-42f6136f.safetensors", "5ea224a362887e9183750988ff70f9b54eea027323acea8f45c7127e6a50a5a5"], "class-means": ["67d9bad572dbac7d/class-means-42f6136f.safetensors", "9d7e1efac2d9bd70d1ab02407c4a965d4166be3f1ccf18cd1a78b364d918f0be"]}','completed',NULL,1,NULL,NULL,'worker',1.79550707261100411411e+09,NULL,1795507072.631,1.79550707289400386808e+09);
INSERT INTO "finishes" VALUES('0253e362516521b8','{}','waiting',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "finishes" VALUES('20ca6724550b16cc','{}','waiting',NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE idempotency_keys (
	"key" VARCHAR(255) NOT NULL, 
	body_digest VARCHAR(64) NOT NULL, 
	experiment_id VARCHAR(16) NOT NULL, 
	created_at DOUBLE NOT NULL, 
	CONSTRAINT pk_idempotency_keys PRIMARY KEY ("key"), 
	CONSTRAINT fk_idempotency_keys_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE
);
CREATE TABLE tasks (
	experiment_id VARCHAR(16) NOT NULL, 
	task_index INTEGER NOT NULL, 
	label VARCHAR(255) NOT NULL, 
	params JSON NOT NULL, 
	epochs_done INTEGER NOT NULL, 
	losses JSON NOT NULL, 
	seconds DOUBLE NOT NULL, 
	accuracy DOUBLE, 
	compute VARCHAR(255), 
	checkpoint VARCHAR(255), 
	checkpoint_sha256 VARCHAR(64), 
	status VARCHAR(16) NOT NULL, 
	reason TEXT, 
	attempts INTEGER NOT NULL, 
	token VARCHAR(32), 
	lease_until DOUBLE, 
	worker VARCHAR(255), 
	queued_at DOUBLE, 
	published_at DOUBLE, 
	started_at DOUBLE, 
	finished_at DOUBLE, 
	CONSTRAINT pk_tasks PRIMARY KEY (experiment_id, task_index), 
	CONSTRAINT fk_tasks_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (id) ON DELETE CASCADE
);
INSERT INTO "tasks" VALUES('67d9bad572dbac7d',0,'0°','{"angle": 0.0}',2,'[3.1248103857040403, 2.580687491794427]',1.4372671001183334738e-02,0.109,'cpu AVX512 torch 2.14.1 1 thread','67d9bad572dbac7d/tasks/00000-e2-8c55f1ab.safetensors','9461aa27d3b2decd8e7eee90a14832da45347a50e8cbb483cfda4fa85757ecca','completed',NULL,1,NULL,NULL,'worker',1.79550707213001704215e+09,NULL,1.79550707218698716162e+09,1.7955070724859998226e+09);
INSERT INTO "tasks" VALUES('67d9bad572dbac7d',1,'15°','{"angle": 15.0}',2,'[2.7158755162358283, 2.4667184367775916]',5.99626900111616123467e-03,0.158,'cpu AVX512 torch 2.14.1 1 thread','67d9bad572dbac7d/tasks/00001-e2-bf91a6b7.safetensors','4d2554b86be34303681e8bd70cb194be1a5a12d75bf2a16a9c90c9271ac8e91f','completed',NULL,1,NULL,NULL,'worker',1.79550707213001704215e+09,NULL,1.79550707251500797278e+09,1.79550707260899257661e+09);
INSERT INTO "tasks" VALUES('0253e362516521b8',0,'0°','{"angle": 0.0}',1,'[2.296847264766693]',6.3347770001200842671e-03,NULL,NULL,'0253e362516521b8/tasks/00000-e1-868d79a8.safetensors','5b0b2e9d69d5ebe0b0c14b4c3d89b1ad78340c254d2fa79044de4b15c0f973cd','queued',NULL,0,NULL,NULL,NULL,1.79550707343099570276e+09,NULL,1.79550707338199162484e+09,NULL);
INSERT INTO "tasks" VALUES('0253e362516521b8',1,'15°','{"angle": 15.0}',0,'[]',0.0,NULL,NULL,NULL,NULL,'queued',NULL,0,NULL,NULL,NULL,1.79550707336501336099e+09,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('20ca6724550b16cc',0,'0°','{"angle": 0.0}',0,'[]',0.0,NULL,NULL,NULL,NULL,'queued',NULL,0,NULL,NULL,NULL,1.79550707344000792502e+09,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES('20ca6724550b16cc',1,'15°','{"angle": 15.0}',0,'[]',0.0,NULL,NULL,NULL,NULL,'queued',NULL,0,NULL,NULL,NULL,1.79550707344000792502e+09,NULL,NULL,NULL);
CREATE TABLE workers (
	name VARCHAR(255) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER NOT NULL, 
	slots JSON NOT NULL, 
	seen_at DOUBLE NOT NULL, 
	CONSTRAINT pk_workers PRIMARY KEY (name)
);
CREATE INDEX ix_experiments_base_id ON experiments (base_id);
CREATE INDEX ix_experiments_digest ON experiments (digest);
CREATE INDEX ix_experiments_newest ON experiments (created_at, id);
CREATE INDEX ix_experiments_status ON experiments (status);
CREATE INDEX ix_events_experiment_id_id ON events (experiment_id, id);
CREATE INDEX ix_experiment_tags_tag ON experiment_tags (tag);
CREATE INDEX ix_finishes_status ON finishes (status);
CREATE INDEX ix_idempotency_keys_experiment_id ON idempotency_keys (experiment_id);
CREATE INDEX ix_tasks_status ON tasks (status);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',17);
COMMIT;
